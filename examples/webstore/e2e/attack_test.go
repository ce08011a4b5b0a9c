package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/examples/webstore/traffic"
)

func TestEachAttackIsNoticedByTheRuleForItAndByNoOther(t *testing.T) {
	t.Parallel()
	s := start(t, "--ephemeral")
	l := lens{t: t, url: s.at.Lens}
	noticed := map[telemetry.SuspicionRule]bool{}
	for i, attack := range []struct {
		scenario traffic.Scenario
		rule     telemetry.SuspicionRule
	}{
		{traffic.CredentialStuffing, telemetry.RuleCredentialStuffing},
		{traffic.EndpointScanning, telemetry.RuleEndpointScanning},
		{traffic.Abuse, telemetry.RuleAbuse},
	} {
		// Each from addresses of its own, which are the seed's.
		report, err := traffic.Run(t.Context(), traffic.Config{
			URL: s.at.Main, Scenario: attack.scenario, Users: 3, Rate: 30, Seed: uint64(i), Duration: 6 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		noticed[attack.rule] = true
		eventually(t, "the attack to be noticed", func() error {
			for _, rule := range telemetry.SuspicionRule("").Values() {
				n, err := l.value(total(telemetry.SuspiciousActivity, map[string]string{"webstore.security.rule": string(rule)}))
				if err != nil {
					return err
				}
				if n > 0 && !noticed[rule] {
					t.Fatalf("%s was noticed by the rule %s, too; the attackers report\n%v", attack.scenario, rule, report)
				}
				if n == 0 && noticed[rule] {
					return fmt.Errorf("%s noticed nothing; the attackers report\n%v", rule, report)
				}
			}
			return nil
		})
	}
}
