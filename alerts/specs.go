package alerts

import (
	"bytes"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/otelkit/kit/query"
)

// Specs are objectives in the forms that other tools read, for who has such a tool
// already. They say what the rules of a File say, as far as each form can: neither
// has a least number of bad events, nor an alert on silence.
type Specs struct {
	// Notice is the line at the head of every file: what generated it from what.
	Notice string
	// Strategy is how Prometheus translates names; "" means its default.
	Strategy   query.Strategy
	Objectives []BurnRate
}

// services are the objectives by service, in the order in which services come
// first.
func (s Specs) services() ([][]BurnRate, error) {
	var list [][]BurnRate
	var faults []error
	place := map[string]int{}
	for _, b := range s.Objectives {
		faults = append(faults, b.validate())
		i, ok := place[b.SLO.Service]
		if !ok {
			i = len(list)
			place[b.SLO.Service] = i
			list = append(list, nil)
		}
		list[i] = append(list[i], b)
	}
	if len(list) == 0 {
		faults = append(faults, errors.New("alerts: no Objectives; give at least one"))
	}
	return list, errors.Join(faults...)
}

// documents writes YAML documents below comments.
func documents[D any](list []D, comments ...string) ([]byte, error) {
	var out bytes.Buffer
	for _, comment := range comments {
		if comment != "" {
			fmt.Fprintf(&out, "# %s\n", comment)
		}
	}
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	for _, document := range list {
		if err := encoder.Encode(document); err != nil {
			return nil, fmt.Errorf("alerts: writing YAML: %w", err)
		}
	}
	return out.Bytes(), nil
}
