/** Ways to tell who a client is. */
export { LoginAuthenticator, type LoginAuthenticatorOptions, type LoginUser } from './login-authenticator.js';
