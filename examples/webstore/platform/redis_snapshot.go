//go:build unix

package platform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/alicebob/miniredis/v2"
)

const (
	snapshotVersion = 1
	redisDatabases  = 16 // as Redis has unless told otherwise
)

// snapshot is the content of redis.json. Equal content gives equal bytes.
type snapshot struct {
	Version int
	Keys    []storedKey
}

// storedKey is a key with its value. JSON carries the bytes as base64, since
// Redis strings need not be text.
type storedKey struct {
	Database int
	Name     []byte
	Type     string    // as the command TYPE says
	Expires  time.Time `json:",omitzero"`

	// Values are the one value of a string, the elements of a list, the
	// members of a set or sorted set, or fields and values by turns of a hash.
	Values [][]byte
	Scores []string `json:",omitempty"` // of a sorted set's members: text, because infinity is no number in JSON
}

// keeper keeps a server's keys in a file. It has one user at a time.
type keeper struct {
	path     string
	log      io.Writer
	written  []byte
	reported map[string]bool // types that were reported as not kept
}

func (k *keeper) report(format string, args ...any) {
	if k.log != nil {
		fmt.Fprintf(k.log, format+"\n", args...)
	}
}

// load puts what the file holds, and has not expired by now, into the server.
func (k *keeper) load(server *miniredis.Miniredis, now time.Time) error {
	text, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	damaged := func(err error) error {
		return fmt.Errorf("the snapshot %s cannot be used: %w; nothing was changed: repair it, or move it away to begin without it", k.path, err)
	}
	var stored snapshot
	if err := json.Unmarshal(text, &stored); err != nil {
		return damaged(err)
	}
	if stored.Version != snapshotVersion {
		return damaged(fmt.Errorf("it has version %d, not %d", stored.Version, snapshotVersion))
	}
	for _, key := range stored.Keys {
		if !key.Expires.IsZero() && !key.Expires.After(now) {
			continue
		}
		if err := key.restore(server, now); err != nil {
			return damaged(fmt.Errorf("key %q: %w", key.Name, err))
		}
	}
	k.written = text
	return nil
}

// save writes the server's keys if they are not what was written last. Each
// key is as it was at one moment, but not all at the same.
func (k *keeper) save(server *miniredis.Miniredis, now time.Time) error {
	text, err := json.Marshal(snapshot{Version: snapshotVersion, Keys: k.capture(server, now)})
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if bytes.Equal(text, k.written) {
		return nil
	}
	if err := replaceFile(k.path, text); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	k.written = text
	return nil
}

func (k *keeper) capture(server *miniredis.Miniredis, now time.Time) []storedKey {
	keys := []storedKey{}
	for number := range redisDatabases {
		db := server.DB(number)
		for _, name := range db.Keys() {
			key, err := readKey(db, name)
			if errors.Is(err, errNotKept) && !k.reported[key.Type] {
				k.report("redis: key %q: a %s is not kept over a restart; keep strings, lists, sets, sorted sets and hashes", name, key.Type)
				if k.reported == nil {
					k.reported = map[string]bool{}
				}
				k.reported[key.Type] = true
			}
			if err != nil {
				continue // of a type that is not kept, or gone since it was listed
			}
			key.Database = number
			if ttl := db.TTL(name); ttl > 0 {
				key.Expires = now.Add(ttl).UTC()
			}
			keys = append(keys, key)
		}
	}
	return keys
}

var errNotKept = errors.New("unknown type of key")

func readKey(db *miniredis.RedisDB, name string) (storedKey, error) {
	key := storedKey{Name: []byte(name), Type: db.Type(name)}
	var err error
	switch key.Type {
	case "string":
		var value string
		value, err = db.Get(name)
		key.Values = byteSlices(value)
	case "list":
		var elements []string
		elements, err = db.List(name)
		key.Values = byteSlices(elements...)
	case "set":
		var members []string
		members, err = db.Members(name)
		key.Values = byteSlices(members...)
	case "hash":
		var fields []string
		fields, err = db.HKeys(name)
		for _, field := range fields {
			key.Values = append(key.Values, []byte(field), []byte(db.HGet(name, field)))
		}
	case "zset":
		var scores map[string]float64
		scores, err = db.SortedSet(name)
		for _, member := range slices.Sorted(maps.Keys(scores)) {
			key.Values = append(key.Values, []byte(member))
			key.Scores = append(key.Scores, strconv.FormatFloat(scores[member], 'g', -1, 64))
		}
	case "":
		err = miniredis.ErrKeyNotFound
	default:
		err = errNotKept
	}
	return key, err
}

func (key storedKey) restore(server *miniredis.Miniredis, now time.Time) error {
	if key.Database < 0 || key.Database >= redisDatabases || len(key.Values) == 0 {
		return errors.New("it is incomplete")
	}
	var (
		db     = server.DB(key.Database)
		name   = string(key.Name)
		values = make([]string, len(key.Values))
		err    error
	)
	for i, value := range key.Values {
		values[i] = string(value)
	}
	switch key.Type {
	case "string":
		err = db.Set(name, values[0])
	case "list":
		_, err = db.Push(name, values...)
	case "set":
		_, err = db.SetAdd(name, values...)
	case "hash":
		if len(values)%2 != 0 {
			return errors.New("it has a field without a value")
		}
		db.HSet(name, values...)
	case "zset":
		if len(key.Scores) != len(values) {
			return errors.New("it has not one score for each member")
		}
		for i, member := range values {
			score, err := strconv.ParseFloat(key.Scores[i], 64)
			if err != nil {
				return err
			}
			if _, err := db.ZAdd(name, score, member); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("%w %q", errNotKept, key.Type)
	}
	if err == nil && !key.Expires.IsZero() {
		db.SetTTL(name, key.Expires.Sub(now))
	}
	return err
}

func byteSlices(values ...string) [][]byte {
	slices := make([][]byte, len(values))
	for i, value := range values {
		slices[i] = []byte(value)
	}
	return slices
}

// replaceFile gives a file new content at once: whoever reads it finds the old
// or the new, whole.
func replaceFile(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // does nothing once it is renamed
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
