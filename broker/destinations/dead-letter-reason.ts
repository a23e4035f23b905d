/** Why a message was given up; on a dead letter the value of `dead-letter-reason`. */
export type DeadLetterReason = 'rejected' | 'expired' | 'max-deliveries' | 'overflow';
