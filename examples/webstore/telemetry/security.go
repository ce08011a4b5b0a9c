package telemetry

import "github.com/otelkit/kit/otelkit/metrics"

// AuthKind is what a caller proved, or failed to prove, an identity with.
type AuthKind string

// The kinds.
const (
	AuthLogin    AuthKind = "login"    // a user name and a password
	AuthToken    AuthKind = "token"    // a bearer token
	AuthRegister AuthKind = "register" // nothing yet: it makes an account
	AuthGuest    AuthKind = "guest"    // nothing at all: it shops without an account
)

// Values is every kind.
func (AuthKind) Values() []AuthKind { return []AuthKind{AuthLogin, AuthToken, AuthRegister, AuthGuest} }

// AuthOutcome is how that went.
type AuthOutcome string

// The outcomes. The caller is not told which of the failures it was.
const (
	AuthSucceeded     AuthOutcome = "success"
	AuthMissingHeader AuthOutcome = "missing_header"
	AuthInvalidFormat AuthOutcome = "invalid_format"
	AuthInvalidToken  AuthOutcome = "invalid_token"
	AuthUnknownUser   AuthOutcome = "unknown_user"
	AuthWrongPassword AuthOutcome = "wrong_password"
	AuthNameTaken     AuthOutcome = "name_taken"
)

// Values is every outcome.
func (AuthOutcome) Values() []AuthOutcome {
	return []AuthOutcome{
		AuthSucceeded, AuthMissingHeader, AuthInvalidFormat,
		AuthInvalidToken, AuthUnknownUser, AuthWrongPassword, AuthNameTaken,
	}
}

// AuthAttrs tells one series of authentications from another.
type AuthAttrs struct {
	Kind    AuthKind    `attr:"webstore.auth.kind"`
	Outcome AuthOutcome `attr:"webstore.auth.outcome"`
}

// AuthAttempts counts whoever gets an identity or brings one.
var AuthAttempts = metrics.NewCounter[AuthAttrs](Shop, metrics.Definition{
	Name: "webstore.auth.attempts",
	Unit: "{attempt}",
	Help: "Logins, registrations, guests, and requests with or in need of a token, by how they ended.",
})

// SuspicionRule is what makes an address suspicious.
type SuspicionRule string

// The rules, each about the last five minutes of one address.
const (
	RuleCredentialStuffing SuspicionRule = "credential_stuffing" // many answers with 401
	RuleEndpointScanning   SuspicionRule = "endpoint_scanning"   // many with 404
	RuleAbuse              SuspicionRule = "abuse"               // many from 400 to 499
)

// Values is every rule.
func (SuspicionRule) Values() []SuspicionRule {
	return []SuspicionRule{RuleCredentialStuffing, RuleEndpointScanning, RuleAbuse}
}

// SuspicionAttrs tells one series of suspicious answers from another.
type SuspicionAttrs struct {
	Rule SuspicionRule `attr:"webstore.security.rule"`
}

// SuspiciousActivity counts the answers that made an address suspicious, or that it
// got while it was. Which address is in the log and on the span.
var SuspiciousActivity = metrics.NewCounter[SuspicionAttrs](Shop, metrics.Definition{
	Name: "webstore.security.suspicious_activity",
	Unit: "{answer}",
	Help: "Answers to addresses that got too many of a kind within five minutes.",
})

// UnjudgedReason is why no rule looked at an answer.
type UnjudgedReason string

// The reasons.
const (
	UnjudgedQueueFull UnjudgedReason = "queue_full" // too many waited to be looked at
	UnjudgedForgotten UnjudgedReason = "forgotten"  // without Redis, too many addresses were watched
)

// Values is every reason.
func (UnjudgedReason) Values() []UnjudgedReason {
	return []UnjudgedReason{UnjudgedQueueFull, UnjudgedForgotten}
}

// UnjudgedAttrs tells one series of answers that were not judged from another.
type UnjudgedAttrs struct {
	Reason UnjudgedReason `attr:"webstore.security.unjudged_reason"`
}

// UnjudgedAnswers counts what suspicious activity may have been missed in.
var UnjudgedAnswers = metrics.NewCounter[UnjudgedAttrs](Shop, metrics.Definition{
	Name: "webstore.security.unjudged_answers",
	Unit: "{answer}",
	Help: "Answers with a status of 4xx in which suspicious activity may have been missed, since there were too many to look at or to remember.",
})
