package store

import "time"

// WithConnectionLife makes connections end sooner than programs want it.
func WithConnectionLife(d time.Duration) Option {
	return func(s *Store) {
		pool, err := s.db.DB()
		if err != nil {
			panic(err) // a pool was just opened
		}
		pool.SetConnMaxLifetime(d)
	}
}
