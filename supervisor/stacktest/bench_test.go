package stacktest_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lyandev/lyandev/supervisor/stacktest"
)

// BenchmarkReset is what Reset costs between two tests that change a row and a key. It prints each time, for scripts/bench.
func BenchmarkReset(b *testing.B) {
	s := stacktest.Start(b, "lyanna.dev.yaml", stacktest.Profile("minimal"), stacktest.Change(backends), stacktest.WithoutReset())
	db, err := sql.Open("mysql", s.DSN())
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	rdb := redis.NewClient(&redis.Options{Addr: s.RedisAddr(), Protocol: 2, DisableIdentity: true})
	defer rdb.Close()
	for _, q := range []string{
		"CREATE TABLE posts (id INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(200))", "CREATE TABLE users (id INT PRIMARY KEY)",
		"INSERT INTO posts (title) SELECT seq FROM seq_1_to_1000",
	} {
		if _, err := db.ExecContext(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Copy().Remember(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		if _, err := db.ExecContext(b.Context(), "INSERT INTO posts (title) VALUES ('new')"); err != nil {
			b.Fatal(err)
		}
		if err := rdb.Set(b.Context(), "k", "v", 0).Err(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		began := time.Now()
		s.Reset()
		fmt.Println("reset took", time.Since(began))
	}
}
