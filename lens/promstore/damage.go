package promstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

// checkData looks for damage before the database does, which passes over some
// of it: it skips blocks whose description it cannot read, and cuts logs.
func checkData(dir string) error {
	if err := checkBlocks(dir); err != nil {
		return err
	}
	return checkLogs(dir)
}

const ulidLength = 26 // of the name of a block's folder

func checkBlocks(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || len(e.Name()) != ulidLength {
			continue
		}
		file := filepath.Join(dir, e.Name(), "meta.json")
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var meta tsdb.BlockMeta
		if err := json.Unmarshal(data, &meta); err != nil {
			return fmt.Errorf("%s is damaged: %w", file, err)
		}
	}
	return nil
}

// checkLogs reads the write-ahead logs through.
//
// The database repairs a damaged log by cutting off all that follows the
// damage. That is right for the record that was being written when the
// process was killed: nobody was told that it is stored. Damage anywhere else
// would take samples along that somebody counts on, so it is an error.
func checkLogs(dir string) error {
	for _, name := range []string{"wal", "wbl"} {
		log := filepath.Join(dir, name)
		if _, err := os.Stat(log); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if checkpoint, _, err := wlog.LastCheckpoint(log); err == nil {
			if err := checkLog(checkpoint); err != nil {
				return err
			}
		}
		if err := checkLog(log); err != nil {
			return err
		}
	}
	return nil
}

func checkLog(dir string) (err error) {
	segments, err := wlog.NewSegmentsReader(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, segments.Close()) }()
	r := wlog.NewReader(segments)
	sound := -1 // the segment of the last sound record
	for r.Next() {
		sound = r.Segment()
	}
	bad, ok := errors.AsType[*wlog.CorruptionErr](r.Err())
	if !ok {
		return r.Err()
	}
	if unfinished(dir, sound, bad) {
		return nil
	}
	return fmt.Errorf("%s is damaged before byte %d: %w", wlog.SegmentName(dir, bad.Segment), bad.Offset, bad.Err)
}

// walPage is what the log is written by when a record is longer than what is
// left of a page.
const walPage = 32 << 10

// unfinished says whether the damage is to the record at the very end of the
// log: the reader ran into the end of the last file, after sound records or
// whole pages of the first one.
func unfinished(dir string, sound int, bad *wlog.CorruptionErr) bool {
	_, last, err := wlog.Segments(dir)
	if err != nil || bad.Segment != last {
		return false
	}
	info, err := os.Stat(wlog.SegmentName(dir, last))
	if err != nil || bad.Offset < info.Size() {
		return false
	}
	return sound == last || info.Size()%walPage == 0
}
