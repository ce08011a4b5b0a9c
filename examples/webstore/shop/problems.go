package shop

import (
	"net/http"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
)

// The problems of this API, beside those of jsonhttp.
var (
	UnknownMarket = &jsonhttp.Problem{
		Status: http.StatusNotFound, Name: "unknown_market", Title: "We do not sell there",
	}
	UnknownProduct = &jsonhttp.Problem{
		Status: http.StatusNotFound, Name: "unknown_product", Title: "We do not sell this there",
	}
	UnknownItem = &jsonhttp.Problem{
		Status: http.StatusNotFound, Name: "unknown_item", Title: "This is not in your cart",
	}
	UnknownOrder = &jsonhttp.Problem{
		Status: http.StatusNotFound, Name: "unknown_order", Title: "You have no such order",
	}
	Unauthenticated = &jsonhttp.Problem{
		Status: http.StatusUnauthorized, Name: "unauthenticated", Title: "Who are you?",
		Detail: "Send a token, such as POST /auth/login gives, as Authorization: Bearer TOKEN.",
		Header: http.Header{"Www-Authenticate": {`Bearer realm="webstore"`}},
	}
	Forbidden = &jsonhttp.Problem{
		Status: http.StatusForbidden, Name: "forbidden", Title: "You may not do this",
		Detail: "It takes the role of an administrator.",
	}
	BadCredentials = &jsonhttp.Problem{
		Status: http.StatusUnauthorized, Name: "bad_credentials", Title: "User name or password is wrong",
		Header: http.Header{"Www-Authenticate": {`Bearer realm="webstore"`}},
	}
	UsernameTaken = &jsonhttp.Problem{
		Status: http.StatusConflict, Name: "username_taken", Title: "Somebody else has this user name",
		Detail: "Choose another one.",
	}
	InvalidUsername = &jsonhttp.Problem{
		Status: http.StatusUnprocessableEntity, Name: "invalid_username", Title: "This cannot be a user name",
		Detail: "A user name has 3 to 32 of the letters a to z, which may be capitals and mean the same, digits, and . _ -",
	}
	InvalidPassword = &jsonhttp.Problem{
		Status: http.StatusUnprocessableEntity, Name: "invalid_password", Title: "This cannot be a password",
		Detail: "A password has 8 to 128 characters, whichever they are.",
	}
	SharedToken = &jsonhttp.Problem{
		Status: http.StatusConflict, Name: "shared_token", Title: "This token is everybody's",
		Detail: "The tokens of the demo users are fixed and never end. Log in to get one of your own.",
	}
	Busy = &jsonhttp.Problem{
		Status: http.StatusServiceUnavailable, Name: "busy", Title: "Too many want to log in at the moment",
		Header: http.Header{"Retry-After": {"5"}},
	}
	TooManyRequests = &jsonhttp.Problem{
		Status: http.StatusTooManyRequests, Name: "too_many_requests", Title: "You ask too often",
	}
	InvalidQuantity = &jsonhttp.Problem{
		Status: http.StatusUnprocessableEntity, Name: "invalid_quantity", Title: "This quantity cannot be bought",
		Detail: "Of a product you can have 1 to 99 in the cart.",
	}
	InvalidMethod = &jsonhttp.Problem{
		Status: http.StatusUnprocessableEntity, Name: "invalid_payment_method", Title: "We do not know this way to pay",
	}
	CartEmpty = &jsonhttp.Problem{
		Status: http.StatusConflict, Name: "cart_empty", Title: "Your cart is empty",
	}
	OrderPending = &jsonhttp.Problem{
		Status: http.StatusConflict, Name: "order_pending", Title: "What was in your cart is being ordered",
		Detail: "Repeat the checkout of that order with its Idempotency-Key, or put something else into the cart.",
	}
	OutOfStock = &jsonhttp.Problem{
		Status: http.StatusConflict, Name: "out_of_stock", Title: "Something in your cart is sold out",
	}
	PaymentDeclined = &jsonhttp.Problem{
		Status: http.StatusPaymentRequired, Name: "payment_declined", Title: "Your payment was declined",
		Detail: "No money was taken. Your cart is as it was: try another way to pay, with a new Idempotency-Key.",
	}
	PaymentUnavailable = &jsonhttp.Problem{
		Status: http.StatusServiceUnavailable, Name: "payment_unavailable", Title: "Payments do not work at the moment",
		Detail: "Your order is pending. Send the same request with the same Idempotency-Key again: you will not pay twice.",
		Header: http.Header{"Retry-After": {"5"}},
	}
	UnknownCoupon = &jsonhttp.Problem{
		Status: http.StatusNotFound, Name: "unknown_coupon", Title: "There is no such coupon",
		Detail: "Nothing was bought. Your cart is as it was: look for a misspelling, or order without a coupon, with a new Idempotency-Key.",
	}
	CouponUsedUp = &jsonhttp.Problem{
		Status: http.StatusConflict, Name: "coupon_used_up", Title: "The coupon is used up",
		Detail: "Nothing was bought. Your cart is as it was: order without the coupon, with a new Idempotency-Key.",
	}
	BelowMinimum = &jsonhttp.Problem{
		Status: http.StatusUnprocessableEntity, Name: "below_minimum", Title: "The order is too small for the coupon",
		Detail: "Nothing was bought. Your cart is as it was: add to it, or order without the coupon, with a new Idempotency-Key.",
	}
	PromotionsUnavailable = &jsonhttp.Problem{
		Status: http.StatusServiceUnavailable, Name: "promotions_unavailable", Title: "Coupons do not work at the moment",
		Detail: "Nothing was bought. Your cart is as it was: try again later, or order without the coupon, with a new Idempotency-Key.",
		Header: http.Header{"Retry-After": {"5"}},
	}
	OrderCancelled = &jsonhttp.Problem{
		Status: http.StatusConflict, Name: "order_cancelled", Title: "Your order was cancelled",
		Detail: "For too long nobody could say whether it was paid. No money is kept, and your cart is as it was: order again with a new Idempotency-Key.",
	}
)
