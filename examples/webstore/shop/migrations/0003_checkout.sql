-- What the warehouse has delivered, and what orders have taken: at any moment
-- stock = what there was first + delivered - the quantities of the lines that are taken.
ALTER TABLE products ADD delivered bigint NOT NULL DEFAULT 0;

ALTER TABLE order_lines
    ADD taken            boolean NOT NULL DEFAULT false, -- from the stock
    ADD warehouse        text,                           -- that has reserved it for the order
    ADD fulfillment_days integer,
    ADD CONSTRAINT order_lines_reserved CHECK (warehouse IS NULL OR taken);

-- Of old orders it is not known which lines of a delayed one were taken; all of one
-- that is completed were. What there was first is in 0002, where it is the delivery too.
UPDATE order_lines l SET taken = true FROM orders o WHERE o.id = l.order_id AND o.status = 'completed';
UPDATE products p SET delivered = p.stock - p.delivery +
    coalesce((SELECT sum(l.quantity) FROM order_lines l WHERE l.product_id = p.id AND l.taken), 0);

ALTER TABLE orders
    ADD subtotal       bigint,                         -- before the discount
    ADD discount       bigint NOT NULL DEFAULT 0 CHECK (discount >= 0),
    ADD coupon         text,                           -- that the shopper wants to use
    ADD promotion_code text,                           -- that the discount is for
    ADD priced         boolean NOT NULL DEFAULT false, -- from then on the total stands, and may have been asked for
    ADD warnings       text[] NOT NULL DEFAULT '{}',   -- what the inventory system had to say
    ADD refunded       boolean NOT NULL DEFAULT false,
    ADD cancel_reason  text,
    ADD traceparent    text NOT NULL DEFAULT '',       -- of the checkout
    ADD attend_at      timestamptz NOT NULL DEFAULT now(), -- when somebody takes it up, unless it has ended
    DROP CONSTRAINT orders_status_check,
    DROP CONSTRAINT orders_check,
    ADD CONSTRAINT orders_status CHECK (status IN ('pending', 'paid', 'completed', 'delayed', 'declined', 'cancelled')),
    ADD CONSTRAINT orders_charge CHECK (
        CASE WHEN status IN ('paid', 'completed', 'delayed') THEN charge_id IS NOT NULL
             WHEN status IN ('pending', 'declined') THEN charge_id IS NULL
             ELSE true END),
    ADD CONSTRAINT orders_cancelled CHECK ((status = 'cancelled') = (cancel_reason IS NOT NULL)),
    ADD CONSTRAINT orders_refunded CHECK (NOT refunded OR status = 'cancelled');

UPDATE orders SET subtotal = total, priced = true; -- old ones were paid in full
ALTER TABLE orders
    ALTER subtotal SET NOT NULL,
    ADD CONSTRAINT orders_total CHECK (total = subtotal - discount);

DROP INDEX orders_pending;
CREATE INDEX orders_open ON orders (attend_at) WHERE status IN ('pending', 'paid');

-- What others have to be told. A message is written in the transaction that makes
-- it necessary, and deleted when it has been delivered. next_at is both when it is
-- to be tried again and how long whoever tries it has it for themselves.
CREATE TABLE outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL,
    key         text NOT NULL, -- that makes the delivery idempotent
    payload     text NOT NULL, -- JSON, as it is sent
    traceparent text NOT NULL, -- of the span that wrote it
    attempts    integer NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now(),
    next_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT outbox_kind CHECK (kind IN ('crm.order', 'crm.update', 'payment.cancel', 'promotion.release', 'inventory.release'))
);
CREATE INDEX outbox_next ON outbox (kind, next_at);
