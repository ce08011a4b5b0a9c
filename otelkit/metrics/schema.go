package metrics

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// None is the attribute struct of a metric without attributes.
type None struct{}

// schema is what an attribute struct says of a metric's attributes, read once
// when the metric is defined.
type schema []field

// field is one attribute: where it stands in the struct and what it may hold.
type field struct {
	Attribute
	index  int
	closed map[any]bool // the values of a closed field; nil when it is open
}

// schemaOf reads an attribute struct. Of a struct that is wrong it says
// everything that is wrong.
func schemaOf(t reflect.Type) (schema, []error) {
	if t.Kind() != reflect.Struct {
		return nil, []error{fmt.Errorf("attributes are %s; they have to be a struct, or metrics.None", t)}
	}
	var s schema
	var errs []error
	seen := map[string]bool{}
	for i := range t.NumField() {
		f, err := fieldOf(t.Field(i), i)
		if err == nil && seen[flat(f.Key)] {
			err = fmt.Errorf("key %q stands twice (Prometheus writes \".\" and \"_\" the same way)", f.Key)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("attribute field %s.%s: %w", t.Name(), t.Field(i).Name, err))
			continue
		}
		seen[flat(f.Key)] = true
		s = append(s, f)
	}
	return s, errs
}

func fieldOf(sf reflect.StructField, index int) (field, error) {
	if !sf.IsExported() {
		return field{}, errors.New("is unexported; export it or leave it out")
	}
	tag, ok := sf.Tag.Lookup("attr")
	if !ok {
		return field{}, errors.New("has no tag; say its key, as in `attr:\"webstore.market\"`")
	}
	key, options, _ := strings.Cut(tag, ",")
	f := field{index: index, Attribute: Attribute{Key: key}}
	if err := validateKey(key); err != nil {
		return field{}, err
	}
	if err := f.readOptions(options); err != nil {
		return field{}, err
	}
	if err := f.readType(sf.Type); err != nil {
		return field{}, err
	}
	return f, nil
}

func (f *field) readOptions(options string) error {
	if options == "" {
		return nil
	}
	for option := range strings.SplitSeq(options, ",") {
		limit, isLimit := strings.CutPrefix(option, "limit=")
		switch {
		case option == "omitempty":
			f.Optional = true
		case isLimit:
			n, err := strconv.Atoi(limit)
			if err != nil || n < 1 {
				return fmt.Errorf("limit %q is not a number of values, 1 or more", limit)
			}
			f.Limit = n
		default:
			return fmt.Errorf("unknown tag option %q; there are omitempty and limit=N", option)
		}
	}
	return nil
}

func (f *field) readType(t reflect.Type) error {
	switch t.Kind() {
	case reflect.String:
		f.Type = TypeString
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		f.Type = TypeInt
	case reflect.Bool:
		f.Type = TypeBool
		f.Values = []string{"false", "true"}
		f.closed = map[any]bool{false: true, true: true}
	default:
		return fmt.Errorf("is of type %s; an attribute is a string, an integer or a bool", t)
	}
	if err := f.readValues(t); err != nil {
		return err
	}
	switch {
	case f.Values == nil && f.Limit == 0:
		return fmt.Errorf("may hold any %s, so its series have no bound; give type %s a method Values() []%s, or a limit, as in `attr:\"%s,limit=50\"`", t.Kind(), t, t.Name(), f.Key)
	case f.Values != nil && f.Limit != 0:
		return errors.New("has both a closed set of values and a limit; leave the limit out")
	}
	return nil
}

// readValues asks the field's type for its closed set.
func (f *field) readValues(t reflect.Type) error {
	method, ok := t.MethodByName("Values")
	if !ok {
		return nil
	}
	if method.Type.NumIn() != 1 || method.Type.NumOut() != 1 || method.Type.Out(0) != reflect.SliceOf(t) {
		return fmt.Errorf("has a method Values that is not func() []%s", t.Name())
	}
	list := reflect.Zero(t).Method(method.Index).Call(nil)[0]
	if list.Len() == 0 {
		return fmt.Errorf("has an empty set of values; %s.Values has to return at least one", t)
	}
	f.Values, f.closed = nil, map[any]bool{}
	for i := range list.Len() {
		v := f.value(list.Index(i))
		if f.closed[v] {
			return fmt.Errorf("%s.Values returns %v twice", t, v)
		}
		f.closed[v] = true
		f.Values = append(f.Values, fmt.Sprint(v))
	}
	return nil
}

// value returns what a field holds as string, int64 or bool.
func (f *field) value(v reflect.Value) any {
	switch f.Type {
	case TypeInt:
		return v.Int()
	case TypeBool:
		return v.Bool()
	default:
		return v.String()
	}
}

// keyValue turns a value of the field into an attribute.
func (f *field) keyValue(v any) attribute.KeyValue {
	key := attribute.Key(f.Key)
	switch v := v.(type) {
	case int64:
		return key.Int64(v)
	case bool:
		return key.Bool(v)
	default:
		return key.String(v.(string))
	}
}

// attributes of the schema, as a metric describes them.
func (s schema) attributes() []Attribute {
	list := make([]Attribute, len(s))
	for i, f := range s {
		list[i] = f.Attribute
	}
	return list
}

// closedSets returns every attribute set that a schema of closed fields can
// have, or nil if a field is open or there are more than most.
func (s schema) closedSets(most int) []attribute.Set {
	sets := [][]attribute.KeyValue{nil}
	for _, f := range s {
		if f.closed == nil || len(sets)*len(f.Values) > most {
			return nil
		}
		var next [][]attribute.KeyValue
		for _, set := range sets {
			for v := range f.closed {
				next = append(next, append(set[:len(set):len(set)], f.keyValue(v)))
			}
		}
		sets = next
	}
	list := make([]attribute.Set, len(sets))
	for i, set := range sets {
		list[i] = attribute.NewSet(set...)
	}
	return list
}
