package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Control starts and stops faults wherever they are: on the board of its own service,
// and in the services that it reaches. It is safe for concurrent use.
type Control struct {
	board  *Board
	peers  []Peer
	client *http.Client
}

// Peer is another service whose faults are controlled.
type Peer struct {
	Service string
	URL     string   // of the service, such as "http://127.0.0.1:8081"
	Behind  []string // services to which it passes on what is for them
}

func (p Peer) leadsTo(service string) bool {
	return p.Service == service || slices.Contains(p.Behind, service)
}

// NewControl makes the control of a board's service. Its peers have to have the board's
// key. A nil client means http.DefaultClient. For a nil board it returns nil.
func NewControl(board *Board, client *http.Client, peers ...Peer) *Control {
	if board == nil {
		return nil
	}
	return &Control{board, peers, cmp.Or(client, http.DefaultClient)}
}

// State is how a fault is in one service, as it goes over the wire.
type State struct {
	Name      Name      `json:"name"`
	Service   string    `json:"service"`
	On        bool      `json:"on"`
	Since     time.Time `json:"since,omitzero"`
	Ends      time.Time `json:"ends,omitzero"`
	Market    string    `json:"market,omitempty"`    // the only one in which it is on
	Intensity float64   `json:"intensity,omitempty"` // of a fault that has one
	Unknown   string    `json:"unknown,omitempty"`   // why nobody can say whether it is on
}

func stateOf(service string, a Active) State {
	return State{Name: a.Name, Service: service, On: true, Since: a.Since, Ends: a.Ends, Market: a.Market, Intensity: a.Intensity}
}

// States returns how every fault is that the control reaches, in the order of [All]. A
// service that does not answer is no error: its states are unknown.
func (c *Control) States(ctx context.Context) []State {
	var list []State
	for name, s := range c.board.states {
		if now := s.now.Load(); now != nil {
			list = append(list, stateOf(c.board.service, *now))
		} else {
			list = append(list, State{Name: name, Service: c.board.service})
		}
	}
	for _, peer := range c.peers {
		states, err := c.ask(ctx, peer, http.MethodGet, "", nil)
		if err != nil {
			states = unknown(peer, err)
		}
		list = append(list, states...)
	}
	slices.SortFunc(list, func(a, b State) int {
		return cmp.Or(cmp.Compare(place(a.Name), place(b.Name)), cmp.Compare(a.Service, b.Service))
	})
	return list
}

// unknown are the states of a peer that does not answer.
func unknown(peer Peer, err error) []State {
	var list []State
	for _, f := range All {
		for _, service := range f.Services {
			if peer.leadsTo(service) {
				list = append(list, State{Name: f.Name, Service: service, Unknown: err.Error()})
			}
		}
	}
	return list
}

func place(name Name) int { return slices.IndexFunc(All, func(f Fault) bool { return f.Name == name }) }

// Start starts a fault in every service that has it and that the control reaches. If
// one of them cannot be told, it is started in none. The error is ErrUnknown, ErrOptions
// or ErrAway.
func (c *Control) Start(ctx context.Context, name Name, o Options) ([]State, error) {
	here, peers, err := c.having(name)
	if err != nil {
		return nil, err
	}
	var list []State
	if here {
		now, err := c.board.Start(name, o)
		if err != nil {
			return nil, err
		}
		list = append(list, stateOf(c.board.service, now))
	}
	for _, peer := range peers {
		states, err := c.ask(ctx, peer, http.MethodPut, "/"+string(name), &o)
		if err != nil {
			_, _ = c.Stop(context.WithoutCancel(ctx), name) // the one that cannot be told is said already
			return nil, err
		}
		list = append(list, states...)
	}
	return list, nil
}

// Stop stops a fault in every service that has it and that the control reaches, in as
// many as can be told. The error is ErrUnknown or ErrAway.
func (c *Control) Stop(ctx context.Context, name Name) ([]State, error) {
	here, peers, err := c.having(name)
	if err != nil {
		return nil, err
	}
	var (
		list []State
		errs []error
	)
	if here {
		errs = append(errs, c.board.Stop(name))
		list = append(list, State{Name: name, Service: c.board.service})
	}
	for _, peer := range peers {
		states, err := c.ask(ctx, peer, http.MethodDelete, "/"+string(name), nil)
		errs = append(errs, err)
		list = append(list, states...)
	}
	return list, errors.Join(errs...)
}

// StopAll stops every fault that is on, in as many services as can be told. The error is
// ErrAway.
func (c *Control) StopAll(ctx context.Context) ([]State, error) {
	var (
		list    []State
		errs    []error
		on      []Name
		unknown []string // why
	)
	for _, state := range c.States(ctx) {
		switch {
		case state.Unknown != "" && !slices.Contains(unknown, state.Unknown):
			unknown = append(unknown, state.Unknown)
			errs = append(errs, &peerError{ErrAway, state.Unknown})
		case state.On && !slices.Contains(on, state.Name):
			on = append(on, state.Name)
		}
	}
	for _, name := range on {
		states, err := c.Stop(ctx, name)
		list, errs = append(list, states...), append(errs, err)
	}
	return list, errors.Join(errs...)
}

// having returns whether a fault is on the board here, and the peers that lead to the
// others that have it.
func (c *Control) having(name Name) (here bool, peers []Peer, err error) {
	f, ok := Find(name)
	if !ok {
		return false, nil, fmt.Errorf("%w as %q", ErrUnknown, name)
	}
	here = slices.Contains(f.Services, c.board.service)
	for _, peer := range c.peers {
		if slices.ContainsFunc(f.Services, peer.leadsTo) {
			peers = append(peers, peer)
		}
	}
	if !here && len(peers) == 0 {
		return false, nil, fmt.Errorf("%w here: %s belongs to %v, which %s does not reach", ErrUnknown, name, f.Services, c.board.service)
	}
	return here, peers, nil
}
