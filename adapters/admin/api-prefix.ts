/** In front of every route of the admin API. */
export const API_PREFIX = '/api/v1';
