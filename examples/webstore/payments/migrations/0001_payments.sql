-- A payment is written before the provider is asked, so that whatever happens
-- meanwhile leaves a trace of what may have been taken.
CREATE TABLE payments (
    key          text PRIMARY KEY,                -- the caller's idempotency key
    amount       bigint NOT NULL CHECK (amount > 0), -- in minor units of the currency
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    market       text NOT NULL,
    method       text NOT NULL,
    state        text NOT NULL DEFAULT 'pending'
                 CHECK (state IN ('pending', 'authorised', 'declined', 'failed')),
    charge_id    text,                            -- the provider's, once authorised
    decline_code text,                            -- the provider's, once declined
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CHECK ((state = 'authorised') = (charge_id IS NOT NULL)),
    CHECK ((state = 'declined') = (decline_code IS NOT NULL))
);
CREATE INDEX payments_pending ON payments (created_at) WHERE state = 'pending';
