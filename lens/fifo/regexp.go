package fifo

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"modernc.org/sqlite"
)

// maxPatterns bounds the cache of compiled patterns.
const maxPatterns = 128

// registerRegexp gives SQLite the operator "text REGEXP pattern", with Go's
// syntax. The driver keeps functions for the whole process, hence the Once.
var registerRegexp = sync.OnceValue(func() error {
	patterns := patternCache{compiled: map[string]*regexp.Regexp{}}
	return sqlite.RegisterDeterministicScalarFunction("regexp", 2, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		if args[0] == nil || args[1] == nil {
			return nil, nil
		}
		pattern, ok := args[0].(string)
		if !ok {
			return nil, errors.New("REGEXP: the pattern is not text")
		}
		re, err := patterns.get(pattern)
		if err != nil {
			return nil, err
		}
		if text, ok := args[1].(string); ok {
			return re.MatchString(text), nil
		}
		return re.MatchString(fmt.Sprint(args[1])), nil
	})
})

type patternCache struct {
	mu       sync.Mutex
	compiled map[string]*regexp.Regexp
}

func (c *patternCache) get(pattern string) (*regexp.Regexp, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if re := c.compiled[pattern]; re != nil {
		return re, nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	if len(c.compiled) >= maxPatterns {
		clear(c.compiled)
	}
	c.compiled[pattern] = re
	return re, nil
}
