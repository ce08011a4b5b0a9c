-- The assortment. Desk chairs are not shipped to Japan, nor webcams to Brazil.
INSERT INTO products (id, name, category, stock, delivery) VALUES
    (1, 'Laptop',     'Electronics',  50,  50),
    (2, 'Smartphone', 'Electronics', 100, 100),
    (3, 'Headphones', 'Electronics', 200, 200),
    (4, 'Desk Chair', 'Furniture',    30,  30),
    (5, 'Monitor',    'Electronics',  75,  75),
    (6, 'Keyboard',   'Electronics', 150, 150),
    (7, 'Mouse',      'Electronics', 300, 300),
    (8, 'Webcam',     'Electronics', 100, 100);

INSERT INTO prices (market, product_id, amount) VALUES
    ('US', 1,   99999), ('US', 2,   59999), ('US', 3,   9999), ('US', 4,   19999), ('US', 5,   29999), ('US', 6,   7999), ('US', 7,   2999), ('US', 8,   8999),
    ('UK', 1,   84999), ('UK', 2,   49999), ('UK', 3,   8499), ('UK', 4,   16999), ('UK', 5,   24999), ('UK', 6,   6999), ('UK', 7,   2499), ('UK', 8,   7499),
    ('DE', 1,   99900), ('DE', 2,   59900), ('DE', 3,   9990), ('DE', 4,   19990), ('DE', 5,   29990), ('DE', 6,   7990), ('DE', 7,   2990), ('DE', 8,   8990),
    ('FR', 1,  102900), ('FR', 2,   61900), ('FR', 3,  10490), ('FR', 4,   20990), ('FR', 5,   30990), ('FR', 6,   8290), ('FR', 7,   3190), ('FR', 8,   9290),
    ('JP', 1,  149800), ('JP', 2,   89800), ('JP', 3,  14980),                     ('JP', 5,   44800), ('JP', 6,  11980), ('JP', 7,   4480), ('JP', 8,  13480),
    ('BR', 1,  549900), ('BR', 2,  329900), ('BR', 3,  54990), ('BR', 4,  109990), ('BR', 5,  164990), ('BR', 6,  43990), ('BR', 7,  16490),
    ('IN', 1, 8499900), ('IN', 2, 5099900), ('IN', 3, 849900), ('IN', 4, 1699900), ('IN', 5, 2549900), ('IN', 6, 679900), ('IN', 7, 254900), ('IN', 8, 764900);
