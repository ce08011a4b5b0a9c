package shop

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/otelkit/httpclient"
)

// adminPath is what is for administrators.
const adminPath = "/admin/"

// The problems of faults.
var (
	UnknownFault = &jsonhttp.Problem{
		Status: http.StatusNotFound, Name: "unknown_fault", Title: "There is no such fault",
	}
	WrongFault = &jsonhttp.Problem{
		Status: http.StatusUnprocessableEntity, Name: "wrong_fault", Title: "The fault cannot be like that",
	}
	FaultUnreachable = &jsonhttp.Problem{
		Status: http.StatusBadGateway, Name: "fault_unreachable", Title: "The service that has the fault cannot be told",
	}
)

// routeFaults adds what starts and stops faults, if there can be any.
func (s *shop) routeFaults(router *mux.Router) {
	if s.faults == nil {
		return
	}
	handle := func(do func(http.ResponseWriter, *http.Request) ([]faults.State, error)) http.Handler {
		return jsonhttp.Handler(s.log, func(w http.ResponseWriter, r *http.Request) error {
			if err := s.faults.admit(r, s.authenticate); err != nil {
				return err
			}
			states, err := do(w, r)
			if err != nil {
				return faultProblem(err)
			}
			return jsonhttp.Encode(w, http.StatusOK, struct {
				Faults []faults.State `json:"faults"`
			}{append([]faults.State{}, states...)}) // nil would be no list in JSON
		})
	}
	name := func(r *http.Request) faults.Name { return faults.Name(mux.Vars(r)["name"]) }
	control := s.faults.control
	router.Handle("/admin/faults", handle(func(_ http.ResponseWriter, r *http.Request) ([]faults.State, error) {
		return control.States(templated(r)), nil
	})).Methods(http.MethodGet)
	router.Handle("/admin/faults", handle(func(_ http.ResponseWriter, r *http.Request) ([]faults.State, error) {
		return control.StopAll(templated(r))
	})).Methods(http.MethodDelete)
	router.Handle("/admin/faults/{name}", handle(func(w http.ResponseWriter, r *http.Request) ([]faults.State, error) {
		var body faults.Request
		if err := jsonhttp.Decode(w, r, &body); err != nil {
			return nil, err
		}
		options, err := body.Options()
		if err != nil {
			return nil, err
		}
		states, err := control.Start(templated(r), name(r), options)
		if err == nil {
			s.log.WarnContext(r.Context(), "a fault was started on purpose", "webstore.fault.name", string(name(r)))
		}
		return states, err
	})).Methods(http.MethodPut)
	router.Handle("/admin/faults/{name}", handle(func(_ http.ResponseWriter, r *http.Request) ([]faults.State, error) {
		return control.Stop(templated(r), name(r))
	})).Methods(http.MethodDelete)
}

// admit lets administrators in.
//
// The last one who was let in is known without asking the database while that cannot be
// reached on purpose: somebody has to be able to stop it.
func (f *mainFaults) admit(r *http.Request, authenticate func(*http.Request) (User, error)) error {
	token := sha256.Sum256([]byte(r.Header.Get("Authorization")))
	last := f.lastAdmin.Load()
	if last != nil && *last == token && (f.On(faults.DatabaseAway) || f.On(faults.ConnectionsExhausted)) {
		return nil
	}
	user, err := authenticate(r)
	if err != nil {
		return err
	}
	if user.Role != Admin {
		return Forbidden
	}
	f.lastAdmin.Store(&token)
	return nil
}

// templated names the calls that pass r on.
func templated(r *http.Request) context.Context {
	return httpclient.WithTemplate(r.Context(), "/faults")
}

func faultProblem(err error) error {
	for _, known := range []struct {
		err     error
		problem *jsonhttp.Problem
	}{{faults.ErrUnknown, UnknownFault}, {faults.ErrOptions, WrongFault}, {faults.ErrAway, FaultUnreachable}} {
		if errors.Is(err, known.err) {
			return known.problem.With("%v.", err)
		}
	}
	return err
}
