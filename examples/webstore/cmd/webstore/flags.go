package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// flags is a command's flags, each of which the environment can give too. The
// command line wins.
type flags struct {
	*flag.FlagSet
	env    map[string]string // flags whose variable is not WEBSTORE_ and the name
	choice []string          // see together
	words  []word            // see argument
	misuse int               // exit status when the command line is wrong; 0 means 2
}

// word is an argument that is no flag.
type word struct {
	value *string
	name  string // such as "NAME"
}

func newFlags(command string) *flags {
	f := &flags{FlagSet: flag.NewFlagSet(command, flag.ContinueOnError), env: map[string]string{}}
	f.SetOutput(io.Discard) // errors are ours to word
	return f
}

// fromEnv names the variable of a flag that has a customary one.
func (f *flags) fromEnv(name, variable string) { f.env[name] = variable }

func (f *flags) variable(name string) string {
	if variable, ok := f.env[name]; ok {
		return variable
	}
	return "WEBSTORE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// together says that the flags make one choice: if the command line has one of
// them, the environment has no say about the others.
func (f *flags) together(names ...string) { f.choice = names }

// argument declares an argument that has to be given, before, after or between the flags.
func (f *flags) argument(value *string, name string) { f.words = append(f.words, word{value, name}) }

// parse sets the flags from the arguments, and those that they leave out from
// the environment, where an empty variable is none. Asked for help, it returns
// flag.ErrHelp.
func (f *flags) parse(args []string, lookup func(string) (string, bool)) error {
	if err := f.parseWords(args); err != nil {
		return err
	}
	given := map[string]bool{}
	f.Visit(func(fl *flag.Flag) { given[fl.Name] = true })
	if slices.ContainsFunc(f.choice, func(name string) bool { return given[name] }) {
		for _, name := range f.choice {
			given[name] = true
		}
	}
	var wrong error
	f.VisitAll(func(fl *flag.Flag) {
		value, _ := lookup(f.variable(fl.Name))
		if value == "" || given[fl.Name] {
			return
		}
		if err := f.Set(fl.Name, value); err != nil && wrong == nil {
			wrong = usagef("%s=%s: %v; see webstore help %s", f.variable(fl.Name), value, err, f.Name())
		}
	})
	return wrong
}

// parseWords sets the flags and arguments that args has.
func (f *flags) parseWords(args []string) error {
	for i := 0; ; i++ {
		err := f.Parse(args)
		switch {
		case errors.Is(err, flag.ErrHelp):
			return err
		case err != nil:
			return f.explain(err)
		case f.NArg() == 0 && i < len(f.words):
			return usagef("%s needs a %s; see webstore help %[1]s", f.Name(), f.words[i].name)
		case f.NArg() == 0:
			return nil
		case i == len(f.words):
			return usagef("%s takes no argument %q; see webstore help %[1]s", f.Name(), f.Arg(0))
		}
		*f.words[i].value, args = f.Arg(0), f.Args()[1:]
	}
}

// explain words an error of package flag, whose errors have no types.
func (f *flags) explain(err error) error {
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		var names []string
		f.VisitAll(func(fl *flag.Flag) { names = append(names, fl.Name) })
		return usagef("%s has no flag --%s%s; see webstore help %[1]s", f.Name(), strings.TrimLeft(name, "-"), didYouMean(name, names))
	}
	message := strings.NewReplacer(" flag -", " flag --", "argument: -", "argument: --").Replace(err.Error())
	return usagef("%s: %s; see webstore help %[1]s", f.Name(), message)
}

// describe lists the flags with what they are by default.
func (f *flags) describe(out io.Writer) {
	var text, customary strings.Builder
	f.VisitAll(func(fl *flag.Flag) {
		value, usage := flag.UnquoteUsage(fl)
		fmt.Fprintf(&text, "  --%-32s %s", strings.TrimSpace(fl.Name+" "+value), usage)
		if fl.DefValue != "" && fl.DefValue != "false" {
			fmt.Fprintf(&text, " (%s)", fl.DefValue)
		}
		fmt.Fprintln(&text)
		if variable, ok := f.env[fl.Name]; ok {
			fmt.Fprintf(&customary, ", --%s by %s", fl.Name, variable)
		}
	})
	if text.Len() > 0 {
		fmt.Fprintf(out, "\nFlags, with what holds without them:\n%s", &text)
		fmt.Fprintf(out, "Each can be given by a variable: --some-flag by WEBSTORE_SOME_FLAG%s.\n", &customary)
	}
}

// number is a flag for a number that is not negative.
type number float64

func (n *number) String() string { return strconv.FormatFloat(float64(*n), 'g', -1, 64) }

func (n *number) Set(text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0 && v <= 1e6) {
		return errors.New("want a number from 0 up, such as 0.5")
	}
	*n = number(v)
	return nil
}

func (f *flags) number(name string, value float64, usage string) *float64 {
	v := value
	f.Var((*number)(&v), name, usage)
	return &v
}

// rate is a flag for a number above 0, or for none by the word "off".
type rate float64

func (r *rate) String() string {
	if *r == 0 {
		return "off"
	}
	return (*number)(r).String()
}

func (r *rate) Set(text string) error {
	if text == "off" {
		*r = 0
		return nil
	}
	var n number
	if err := n.Set(text); err != nil || n == 0 {
		return errors.New(`want a number above 0, such as 5, or "off"`)
	}
	*r = rate(n)
	return nil
}

// onOff is a flag for a choice by the words "on" and "off".
type onOff bool

func (o *onOff) String() string {
	if *o {
		return "on"
	}
	return "off"
}

func (o *onOff) Set(text string) error {
	if text != "on" && text != "off" {
		return errors.New(`want "on" or "off"`)
	}
	*o = text == "on"
	return nil
}

// span is a flag for a time that is not negative.
type span time.Duration

func (s *span) String() string { return time.Duration(*s).String() }

func (s *span) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return errors.New("want a time, such as 500ms, 5s or 2m")
	}
	*s = span(d)
	return nil
}

func (f *flags) span(name string, value time.Duration, usage string) *time.Duration {
	v := value
	f.Var((*span)(&v), name, usage)
	return &v
}
