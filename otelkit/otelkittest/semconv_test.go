package otelkittest

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write semconv.txt anew")

// semconv.txt is read off the Go package of the semantic conventions, which is
// generated from the registry; see extract.
func TestSemconvIsThatOfTheGoPackage(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-f", "{{.Module.Dir}}", "go.opentelemetry.io/otel/semconv/v1.43.0").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	want, err := extract(filepath.Join(strings.TrimSpace(string(out)), "semconv"), "v1.43.0")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("semconv.txt", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile("semconv.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("semconv.txt is not what the Go package says; run: go test ./otelkit/otelkittest -run Semconv -update")
	}
}

// extract writes what Lint knows of the semantic conventions of one version: the
// attributes, templates of attributes and metrics, and those of earlier versions
// that it no longer has.
func extract(root, version string) ([]byte, error) {
	dir := filepath.Join(root, version)
	attributes, err := attributesIn(filepath.Join(dir, "attribute_group.go"))
	if err != nil {
		return nil, err
	}
	metrics, err := metricsIn(dir)
	if err != nil {
		return nil, err
	}
	keys, names, err := earlier(root, version)
	if err != nil {
		return nil, err
	}
	lines := slices.Concat(slices.Collect(maps.Values(attributes)), slices.Collect(maps.Values(metrics)))
	for key, last := range keys {
		if _, still := attributes[key]; !still {
			lines = append(lines, "deprecated attribute\t"+key+"\t"+last)
		}
	}
	for name, last := range names {
		if _, still := metrics[name]; !still {
			lines = append(lines, "deprecated metric\t"+name+"\t"+last)
		}
	}
	slices.Sort(lines)
	header := "# Generated from go.opentelemetry.io/otel/semconv/" + version + " by semconv_test.go; do not edit.\n"
	return []byte(header + strings.Join(lines, "\n") + "\n"), nil
}

var (
	attributeDoc = regexp.MustCompile(`(?s)Type: (\S+)\n.*Stability: (\S+)`)
	template     = regexp.MustCompile(`attribute\.(\w+)\("([a-z0-9_.]+)\."\+key`)
	templateType = map[string]string{"String": "string", "StringSlice": "string[]", "Int": "int", "Bool": "boolean", "Float64": "double"}
)

// attributesIn reads keys with their type and stability off the constants, the
// values of an enum off the variables, and templates off the functions.
func attributesIn(path string) (map[string]string, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	type attribute struct{ key, kind, stability string }
	constants := map[string]attribute{}
	values := map[string][]string{}
	for name, spec := range valuesIn(file) {
		call, ok := spec.Values[0].(*ast.CallExpr)
		if !ok {
			continue
		}
		selector := call.Fun.(*ast.SelectorExpr)
		of := selector.X.(*ast.Ident).Name
		if of == "attribute" {
			doc := attributeDoc.FindStringSubmatch(spec.Doc.Text())
			if doc == nil {
				return nil, fmt.Errorf("%s: no type and stability in the comment of %s", path, name)
			}
			constants[name] = attribute{literal(call.Args[0]), strings.ToLower(doc[1]), strings.ToLower(doc[2])}
			continue
		}
		values[of] = append(values[of], literal(call.Args[0]))
	}
	lines := map[string]string{}
	for name, a := range constants {
		slices.Sort(values[name])
		lines[a.key] = strings.Join([]string{"attribute", a.key, a.kind, a.stability, strings.Join(values[name], "|")}, "\t")
	}
	for _, m := range template.FindAllStringSubmatch(string(source), -1) {
		lines[m[2]] = strings.Join([]string{"template", m[2], templateType[m[1]]}, "\t")
	}
	return lines, nil
}

// valuesIn yields the constants and variables of a file that have a value.
func valuesIn(file *ast.File) func(yield func(string, *ast.ValueSpec) bool) {
	return func(yield func(string, *ast.ValueSpec) bool) {
		for _, decl := range file.Decls {
			general, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range general.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && len(v.Values) == 1 && !yield(v.Names[0].Name, v) {
					return
				}
			}
		}
	}
}

// instrument matches the field that makes a type an instrument.
var instrument = regexp.MustCompile(`^(?:Int64|Float64)(?:Observable)?(Counter|UpDownCounter|Histogram|Gauge)$`)

// metricsIn reads metrics off the types of the …conv packages: the kind off the
// field, name and unit off the methods, and required attributes off what Add or
// Record put there by themselves.
func metricsIn(dir string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*conv", "metric.go"))
	if err != nil {
		return nil, err
	}
	lines := map[string]string{}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return nil, err
		}
		kinds := map[string]string{}
		facts := map[string]map[string][]string{} // by type and method: string literals
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					if kind := kindOf(spec); kind != "" {
						kinds[spec.(*ast.TypeSpec).Name.Name] = kind
					}
				}
			case *ast.FuncDecl:
				if decl.Recv == nil {
					continue
				}
				of := decl.Recv.List[0].Type.(*ast.Ident).Name
				if facts[of] == nil {
					facts[of] = map[string][]string{}
				}
				facts[of][decl.Name.Name] = literals(decl.Body)
			}
		}
		for of, kind := range kinds {
			methods := facts[of]
			if len(methods["Name"]) != 1 {
				return nil, fmt.Errorf("%s: %s has no name", path, of)
			}
			name := methods["Name"][0]
			required := slices.Compact(slices.Sorted(slices.Values(append(methods["Add"], methods["Record"]...))))
			if strings.HasSuffix(of, "Observable") && lines[name] != "" {
				continue // the same metric, read by a callback
			}
			lines[name] = strings.Join([]string{"metric", name, kind, strings.Join(methods["Unit"], ""), strings.Join(required, "|")}, "\t")
		}
	}
	return lines, nil
}

// kindOf returns which kind of instrument a type is, "" if it is none.
func kindOf(spec ast.Spec) string {
	of, ok := spec.(*ast.TypeSpec)
	if !ok {
		return ""
	}
	fields, ok := of.Type.(*ast.StructType)
	if !ok || len(fields.Fields.List) != 1 {
		return ""
	}
	selector, ok := fields.Fields.List[0].Type.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	match := instrument.FindStringSubmatch(selector.Sel.Name)
	if match == nil {
		return ""
	}
	return strings.ToLower(match[1])
}

// literals returns the strings in a function.
func literals(body *ast.BlockStmt) []string {
	var list []string
	ast.Inspect(body, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			list = append(list, literal(l))
		}
		return true
	})
	return list
}

func literal(e ast.Expr) string {
	text := e.(*ast.BasicLit).Value
	if unquoted, err := strconv.Unquote(text); err == nil {
		return unquoted
	}
	return text
}

var (
	anyKey  = regexp.MustCompile(`attribute\.Key\("([^"]+)"\)`)
	anyName = regexp.MustCompile(`Name\s*=\s*"([a-z0-9_]+\.[a-z0-9_.]+)"|Name\(\) string \{\s*return "([^"]+)"`)
)

// earlier returns the keys and names of metrics of all earlier versions, with
// the last version that had them.
func earlier(root, version string) (keys, names map[string]string, err error) {
	dirs, err := filepath.Glob(filepath.Join(root, "v1.*"))
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(minor(a), minor(b)) })
	keys, names = map[string]string{}, map[string]string{}
	for _, dir := range dirs {
		if minor(dir) >= minor(version) {
			break
		}
		for _, pattern := range []string{"*.go", "*conv/metric.go"} {
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				return nil, nil, err
			}
			for _, path := range files {
				source, err := os.ReadFile(path)
				if err != nil {
					return nil, nil, err
				}
				for _, m := range anyKey.FindAllSubmatch(source, -1) {
					keys[string(m[1])] = filepath.Base(dir)
				}
				if strings.HasSuffix(path, "metric.go") {
					for _, m := range anyName.FindAllSubmatch(source, -1) {
						names[string(m[1])+string(m[2])] = filepath.Base(dir)
					}
				}
			}
		}
	}
	return keys, names, nil
}

// minor returns 43 of "v1.43.0".
func minor(version string) int {
	n, _ := strconv.Atoi(strings.Split(filepath.Base(version), ".")[1])
	return n
}
