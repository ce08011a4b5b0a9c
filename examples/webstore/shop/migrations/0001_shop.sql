-- What is sold. Money is in minor units of the market's currency.
CREATE TABLE products (
    id       bigint PRIMARY KEY,
    name     text NOT NULL,
    category text NOT NULL,
    stock    integer NOT NULL CHECK (stock >= 0),
    delivery integer NOT NULL CHECK (delivery > 0) -- stock after the warehouse has delivered
);

-- A product without a price in a market is not sold there.
CREATE TABLE prices (
    market     text NOT NULL,
    product_id bigint NOT NULL REFERENCES products,
    amount     bigint NOT NULL CHECK (amount > 0),
    PRIMARY KEY (market, product_id)
);

CREATE TABLE users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    role          text NOT NULL CHECK (role IN ('shopper', 'admin')),
    demo          boolean NOT NULL DEFAULT false, -- has a password and a token that everybody knows
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- A token is known by its SHA-256 only: who reads the table cannot log in.
CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES users,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE orders (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id         bigint NOT NULL REFERENCES users,
    idempotency_key text NOT NULL,
    market          text NOT NULL,
    method          text NOT NULL,
    currency        text NOT NULL,
    total           bigint NOT NULL CHECK (total > 0),
    status          text NOT NULL DEFAULT 'pending'
                    CHECK (status IN ('pending', 'completed', 'delayed', 'declined')),
    charge_id       text, -- the payment provider's, once paid
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, idempotency_key),
    CHECK ((status IN ('completed', 'delayed')) = (charge_id IS NOT NULL))
);
CREATE INDEX orders_user ON orders (user_id, created_at DESC);
CREATE INDEX orders_pending ON orders (created_at) WHERE status = 'pending';

-- What was bought, at the name and price of that moment.
CREATE TABLE order_lines (
    order_id   uuid NOT NULL REFERENCES orders,
    product_id bigint NOT NULL REFERENCES products,
    name       text NOT NULL,
    price      bigint NOT NULL CHECK (price > 0),
    quantity   integer NOT NULL CHECK (quantity BETWEEN 1 AND 99),
    PRIMARY KEY (order_id, product_id)
);

-- A line belongs to the cart, or, from checkout on, to the one order that will
-- be paid for it: two checkouts at once cannot both sell it.
CREATE TABLE cart_lines (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES users,
    market     text NOT NULL,
    product_id bigint NOT NULL REFERENCES products,
    quantity   integer NOT NULL CONSTRAINT cart_quantity CHECK (quantity BETWEEN 1 AND 99),
    order_id   uuid REFERENCES orders,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX cart_lines_free ON cart_lines (user_id, market, product_id) WHERE order_id IS NULL;
CREATE INDEX cart_lines_order ON cart_lines (order_id) WHERE order_id IS NOT NULL;
