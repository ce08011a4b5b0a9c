package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/otelkit/kit/examples/webstore/shop"
)

// limits is how much shoppers may ask of main.
type limits struct {
	perAddress, perUser perMinute
	trusted             prefixes
}

// limits declares the flags of limits. Without a flag, the proxies trusted are
// believed.
func (f *flags) limits(trusted prefixes) *limits {
	l := &limits{perAddress: 200, perUser: 60, trusted: trusted}
	f.Var(&l.perAddress, "limit-per-address", "requests a minute that one client address may make, this `number` or off")
	f.Var(&l.perUser, "limit-per-user", "requests a minute that one user may make, this `number` or off")
	f.Var(&l.trusted, "trusted-proxies", "`networks` of proxies whose X-Forwarded-For says who the client is, such as 10.0.0.0/8,::1/128, or none")
	return l
}

// set has main keep to the limits.
func (l *limits) set(cfg *shop.Config) {
	cfg.LimitPerAddress, cfg.LimitPerUser, cfg.TrustedProxies = int(l.perAddress), int(l.perUser), l.trusted
}

// args are the flags that give serve main the same limits.
func (l *limits) args() []string {
	return []string{
		"--limit-per-address", l.perAddress.String(),
		"--limit-per-user", l.perUser.String(),
		"--trusted-proxies", l.trusted.String(),
	}
}

// perMinute is a flag for a whole number above 0, or for no limit by the word
// "off".
type perMinute int

func (n *perMinute) String() string {
	if *n == 0 {
		return "off"
	}
	return strconv.Itoa(int(*n))
}

func (n *perMinute) Set(text string) error {
	if text == "off" {
		*n = 0
		return nil
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < 1 || v > 1_000_000 {
		return errors.New(`want a whole number from 1 to 1000000, such as 200, or "off"`)
	}
	*n = perMinute(v)
	return nil
}

// prefixes is a flag for networks with commas between them, or for none by that
// word.
type prefixes []netip.Prefix

// loopback is the networks of a machine that talks to itself.
var loopback = prefixes{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func (p *prefixes) String() string {
	if len(*p) == 0 {
		return "none"
	}
	var networks []string
	for _, prefix := range *p {
		networks = append(networks, prefix.String())
	}
	return strings.Join(networks, ",")
}

func (p *prefixes) Set(text string) error {
	var all prefixes
	if text != "none" {
		for network := range strings.SplitSeq(text, ",") {
			prefix, err := netip.ParsePrefix(strings.TrimSpace(network))
			if err != nil {
				return fmt.Errorf("%q is no network; want some such as 10.0.0.0/8,::1/128, or none", network)
			}
			all = append(all, prefix)
		}
	}
	*p = all
	return nil
}
