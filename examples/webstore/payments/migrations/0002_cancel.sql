-- A payment can be cancelled, also one that was never asked for: of that nothing is
-- known but its key.
ALTER TABLE payments
    ALTER COLUMN amount DROP NOT NULL,
    ALTER COLUMN currency DROP NOT NULL,
    ALTER COLUMN market DROP NOT NULL,
    ALTER COLUMN method DROP NOT NULL,
    DROP CONSTRAINT payments_state_check,
    DROP CONSTRAINT payments_check, -- that charge_id is set if and only if it is authorised
    ADD CONSTRAINT payments_state_check CHECK (state IN
        ('pending', 'authorised', 'declined', 'failed', 'cancelling', 'cancelled', 'refunded')),
    ADD CONSTRAINT payments_order_check CHECK (
        state = 'cancelled' OR num_nulls(amount, currency, market, method) = 0),
    ADD CONSTRAINT payments_charge_check CHECK (CASE
        WHEN state IN ('authorised', 'refunded') THEN charge_id IS NOT NULL
        WHEN state IN ('pending', 'declined', 'failed') THEN charge_id IS NULL
        ELSE true END);

-- Nothing reads the index, and with it no update of a state could stay beside the row
-- that it replaces (HOT), as 99 of 100 do without.
DROP INDEX payments_pending;
