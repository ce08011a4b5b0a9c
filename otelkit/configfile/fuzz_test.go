package configfile

import (
	"reflect"
	"testing"

	"go.opentelemetry.io/contrib/otelconf"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.yaml.in/yaml/v3"
)

// keys collects every key that the model knows, anywhere.
func keys(t reflect.Type, into map[string]bool, seen map[reflect.Type]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if seen[t] {
		return
	}
	seen[t] = true
	for name, field := range fieldsOf(t) {
		into[name] = true
		keys(field, into, seen)
	}
}

// FuzzLoad looks for a file that panics, and for one that is taken though it has a
// key that the model knows nowhere.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"file_format: \"1.0\"\n",
		"file_format: \"1.0\"\ntracer_provider:\n  procesors: []\n",
		"file_format: \"1.0\"\ntracer_provider: {processors: [{batch: {exporter: {otlp_http: {endpoint: \"${A:-http://b}\"}}}}], sampler: {parent_based: {root: {trace_id_ratio_based: {ratio: 0.1}}}}}\n",
		"file_format: \"1.0\"\nresource: {attributes: [{name: a, value: {b: c}, type: int}], attributes_list: \"a=b,c=%zz\"}\n",
		"file_format: \"1.0\"\nmeter_provider:\n  readers: [{periodic: {exporter: {console: }}}]\n  views: [{selector: {}, stream: {aggregation: {drop: }}}]\n",
		"file_format: &a \"1.0\"\n<<: *a\n? [a]\n: ${B}\n",
		"file_format: \"1.0\"\ndistribution: {x: {y: z}}\nlogger_provider: {processors: [], limits: null}\n--- \n",
		"file_format: !!binary MS4w\n\"\\0\": $${A}\n",
	} {
		f.Add([]byte(seed))
	}
	known := map[string]bool{}
	keys(reflect.TypeFor[otelconf.OpenTelemetryConfiguration](), known, map[reflect.Type]bool{})

	f.Fuzz(func(t *testing.T, text []byte) {
		parsed, err := parse(text)
		if err != nil {
			return
		}
		var document yaml.Node
		if err := yaml.Unmarshal(text, &document); err != nil {
			t.Fatalf("it was taken, and is no YAML: %v", err)
		}
		var look func(n *yaml.Node)
		look = func(n *yaml.Node) {
			for i, child := range n.Content {
				free := n.Kind == yaml.MappingNode && i%2 == 1 && (n.Content[i-1].Value == "value" || n.Content[i-1].Value == "distribution")
				if n.Kind == yaml.MappingNode && i%2 == 0 && !known[child.Value] {
					t.Errorf("line %d: %q is no key, and was taken", child.Line, child.Value)
				}
				if !free {
					look(child)
				}
			}
		}
		look(&document)
		_ = parsed.complete(resource.Empty())
	})
}
