-- Guests have neither name nor password, and are forgotten when their time is
-- over, unless they have ordered: forget_at is NULL for those who stay.
ALTER TABLE users
    ALTER name DROP NOT NULL,
    ALTER password_hash DROP NOT NULL,
    ADD forget_at timestamptz,
    DROP CONSTRAINT users_role_check,
    ADD CONSTRAINT users_role CHECK (role IN ('guest', 'shopper', 'admin')),
    ADD CONSTRAINT users_guest CHECK ((role = 'guest') = (name IS NULL) AND (name IS NULL) = (password_hash IS NULL)),
    ADD CONSTRAINT users_name CHECK (name = lower(name)),
    ADD CONSTRAINT users_forget CHECK (forget_at IS NULL OR role = 'guest');
CREATE INDEX users_forget_at ON users (forget_at) WHERE forget_at IS NOT NULL;

-- What is a user's goes with the user, and is found without reading all of it.
ALTER TABLE sessions
    DROP CONSTRAINT sessions_user_id_fkey,
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
CREATE INDEX sessions_user ON sessions (user_id);
ALTER TABLE cart_lines
    DROP CONSTRAINT cart_lines_user_id_fkey,
    ADD CONSTRAINT cart_lines_user_id_fkey FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
CREATE INDEX cart_lines_user ON cart_lines (user_id);
