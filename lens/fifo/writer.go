package fifo

import (
	"context"
	"errors"
	"time"
)

// run is the writer: the only goroutine that changes the file.
func (s *Store) run() {
	defer close(s.done)
	age := time.NewTicker(ageEvery)
	defer age.Stop()
	s.keepLimits(true)
	for {
		select {
		case r := <-s.queue:
			s.commit(s.gather(r))
			s.keepLimits(false)
		case <-age.C:
			s.keepLimits(true)
		case <-s.stop:
			for {
				select {
				case r := <-s.queue:
					s.commit([]*request{r})
				default:
					return
				}
			}
		}
	}
}

// gather takes what else is waiting, up to a transaction's worth.
func (s *Store) gather(first *request) []*request {
	group, rows := []*request{first}, len(first.rows)
	for rows < queueRows {
		select {
		case r := <-s.queue:
			group, rows = append(group, r), rows+len(r.rows)
		default:
			return group
		}
	}
	return group
}

// commit writes a group in one transaction and answers every request in it.
// When the group fails, each request gets a transaction of its own, so that
// one bad row does not take its neighbours along.
func (s *Store) commit(group []*request) {
	stored, err := s.insertAll(group)
	if err == nil {
		for i, r := range group {
			r.reply <- reply{stored: stored[i]}
		}
		return
	}
	if len(group) == 1 {
		group[0].reply <- reply{err: err}
		return
	}
	for _, r := range group {
		s.commit([]*request{r})
	}
}

func (s *Store) insertAll(group []*request) ([]int64, error) {
	ctx := context.Background()
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	insert := tx.StmtContext(ctx, s.insert)
	defer insert.Close()

	last := s.last
	stored := make([]int64, len(group))
	for i, r := range group {
		for _, row := range r.rows {
			res, err := insert.ExecContext(ctx, row...)
			if err != nil {
				return nil, err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return nil, err
			}
			if n == 0 {
				continue
			}
			stored[i]++
			if last, err = res.LastInsertId(); err != nil {
				return nil, err
			}
		}
	}
	if err := tx.Commit(); err != nil {
		return nil, err
	}
	s.last = last
	if s.first == 0 && last > 0 {
		s.first = 1
	}
	return stored, nil
}

// keepLimits deletes the oldest rows while the store is over a limit.
func (s *Store) keepLimits(withAge bool) {
	err := s.keepRows()
	if withAge {
		err = errors.Join(err, s.keepAge())
	}
	err = errors.Join(err, s.keepBytes())
	if err != nil {
		s.cfg.Log.Error("old records could not be deleted", "file", s.cfg.Path, "err", err)
	}
}

func (s *Store) keepRows() error {
	if over := s.rows() - s.cfg.MaxRows; s.cfg.MaxRows > 0 && over > 0 {
		return s.evict(over)
	}
	return nil
}

// keepAge deletes rows up to the first, in order of arrival, that is young
// enough: a straggler among younger rows leaves with them.
func (s *Store) keepAge() error {
	if s.cfg.MaxAge == 0 || s.rows() == 0 {
		return nil
	}
	oldest := time.Now().Add(-s.cfg.MaxAge).UnixNano()
	var keep int64
	err := s.write.QueryRow("SELECT coalesce((SELECT id FROM "+s.cfg.Table+" WHERE "+s.cfg.Time+" >= ? ORDER BY id LIMIT 1), ?)",
		oldest, s.last+1).Scan(&keep)
	if err != nil {
		return err
	}
	return s.evict(keep - s.first)
}

func (s *Store) keepBytes() error {
	if s.cfg.MaxBytes == 0 {
		return nil
	}
	for {
		var page, pages, free int64
		err := s.write.QueryRow("SELECT page_size, page_count, freelist_count FROM pragma_page_size, pragma_page_count, pragma_freelist_count").
			Scan(&page, &pages, &free)
		if err != nil {
			return err
		}
		if pages*page <= s.cfg.MaxBytes {
			return nil
		}
		// Free pages are used again, but only a vacuum gives them back.
		if (pages-free)*page <= s.cfg.MaxBytes {
			_, err := s.write.Exec("PRAGMA incremental_vacuum")
			return err
		}
		if s.rows() == 0 {
			return nil
		}
		if err := s.evict(max(s.rows()/evictPortion, evictAtLeast)); err != nil {
			return err
		}
	}
}

func (s *Store) rows() int64 {
	if s.first == 0 {
		return 0
	}
	return s.last - s.first + 1
}

// evict deletes the n oldest rows.
func (s *Store) evict(n int64) error {
	n = min(n, s.rows())
	if n <= 0 {
		return nil
	}
	if _, err := s.write.Exec("DELETE FROM "+s.cfg.Table+" WHERE id < ?", s.first+n); err != nil {
		return err
	}
	s.first += n
	if s.first > s.last { // SQLite counts from 1 again in an empty table
		s.first, s.last = 0, 0
	}
	s.cfg.OnEvict(n)
	return nil
}
