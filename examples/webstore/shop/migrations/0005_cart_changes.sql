-- When a line came into the cart or changed there: carts that shoppers are busy with.
ALTER TABLE cart_lines ADD changed_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX cart_lines_changed ON cart_lines (changed_at) WHERE order_id IS NULL;
