-- What shoppers may enter. Amounts are in US cents, whatever the market: they are
-- converted by the fixed table of package money.
--
-- used is the number of redemptions of the coupon that stand, always: it changes in
-- the transaction that writes or releases one. What renews a coupon raises max_uses.
CREATE TABLE coupons (
    code           text PRIMARY KEY CHECK (code ~ '^[A-Z0-9]{1,32}$'),
    discount_type  text NOT NULL CHECK (discount_type IN ('percent', 'fixed')),
    discount_value bigint NOT NULL CHECK (discount_value > 0), -- percent, or US cents
    min_amount     bigint NOT NULL CHECK (min_amount >= 0),
    renewal        bigint NOT NULL CHECK (renewal > 0),        -- how many uses are added at a time
    max_uses       bigint NOT NULL,
    used           bigint NOT NULL DEFAULT 0,
    CHECK (discount_type = 'fixed' OR discount_value <= 100),
    CHECK (used BETWEEN 0 AND max_uses)
);

INSERT INTO coupons (code, discount_type, discount_value, min_amount, renewal, max_uses) VALUES
    ('WELCOME10', 'percent',   10,  5000, 1000, 1000),
    ('SAVE20',    'percent',   20, 10000,  500,  500),
    ('FLAT50',    'fixed',   5000, 20000,  300,  300),
    ('BIGORDER',  'percent',   15, 50000,  100,  100),
    ('NEWUSER',   'fixed',   2500,  7500, 2000, 2000);

-- What each order got, under the caller's idempotency key. One that was released
-- stays, so that its key is never redeemed later; one that was released before it was
-- redeemed has nothing but its key.
CREATE TABLE redemptions (
    key            text PRIMARY KEY,
    state          text NOT NULL CHECK (state IN ('redeemed', 'released')),
    user_id        text,
    market         text,
    amount         bigint CHECK (amount > 0),  -- of the order, in minor units of the currency
    currency       text CHECK (currency ~ '^[A-Z]{3}$'),
    coupon         text REFERENCES coupons,    -- null for what the order got by itself
    discount       bigint CHECK (discount BETWEEN 0 AND amount),
    promotion_code text,
    description    text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    released_at    timestamptz,
    CHECK ((state = 'released') = (released_at IS NOT NULL)),
    CHECK (num_nulls(user_id, market, amount, currency, discount, promotion_code, description) IN (0, 7)),
    CHECK (state = 'released' OR user_id IS NOT NULL)
);
