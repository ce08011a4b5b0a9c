//go:build unix

// Package platform is what the store stands on while it runs on one machine
// without Docker: a data directory, PostgreSQL, Redis, free ports, and
// processes that start and stop together.
//
//	dir, err := platform.OpenDir(platform.DirConfig{})
//	defer dir.Close()
//	db, err := platform.StartPostgres(ctx, platform.PostgresConfig{URL: os.Getenv("DATABASE_URL"), Dir: dir})
//	defer db.Stop(ctx)
//	cache, err := platform.StartRedis(ctx, platform.RedisConfig{URL: os.Getenv("REDIS_URL"), Dir: dir})
//	defer cache.Stop(ctx)
//
//	services := platform.NewSupervisor(dir)
//	defer services.Stop(ctx)
//	err = services.Start(ctx, platform.Child{Name: "payments", Path: self, Args: []string{"serve", "payments"}})
//	select {
//	case <-ctx.Done(): // ^C
//	case <-services.Dead():
//		return services.Err()
//	}
//
// Whoever has a server of their own names it, and it is used and left alone.
// Otherwise each part is private to the run: PostgreSQL behind a socket that
// other users cannot open, Redis behind a password that is made for the run.
// Nothing of a run stays behind but its data, even if it is killed (on Linux;
// see package child), and no data is ever deleted but that of an ephemeral run.
//
// Errors are one line each and say what to do. Only that of a process that
// died has more: its last lines.
package platform
