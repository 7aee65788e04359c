package temporal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

const (
	databaseFile = "temporal.db"
	lockFile     = "temporal.lock"

	// busyTimeout is how long a statement waits for another connection to the same file.
	busyTimeout = 10 * time.Second
)

// generation tells the databases opened by this process apart.
var generation atomic.Int64

// storage is where a server keeps its state.
type storage struct {
	config *config.SQL
	unlock func() error
}

// openStorage prepares a database in memory, or in dir when it is not empty.
func openStorage(ctx context.Context, dir string) (*storage, error) {
	if dir == "" {
		return &storage{
			config: &config.SQL{
				PluginName:        sqliteplugin.PluginName,
				DatabaseName:      "temporal-" + uuid.NewString(),
				ConnectAttributes: map[string]string{"mode": "memory", "cache": "private"},
			},
			unlock: func() error { return nil },
		}, nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(dir, lockFile))
	if err != nil {
		if code := new(sqlite.Error); errors.As(err, &code) && code.Code() == sqlitelib.SQLITE_BUSY {
			err = errors.New("in use by another server: stop it or choose another directory")
		}
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	database := filepath.Join(dir, databaseFile)
	if err := createSchema(ctx, database); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory %s: %w", dir, err), unlock())
	}
	return &storage{
		config: &config.SQL{
			PluginName:   sqliteplugin.PluginName,
			DatabaseName: escape(database),
			ConnectAttributes: map[string]string{
				"mode":         "rw",
				"journal_mode": "wal",
				"synchronous":  "normal",
				// The server keeps connections for the life of the process and finds them by their parameters. The
				// number in the milliseconds gives every start its own, so that one over a directory that was removed
				// and made again does not write into the removed file.
				"busy_timeout": strconv.FormatInt(busyTimeout.Milliseconds()+generation.Add(1), 10),
			},
		},
		unlock: unlock,
	}, nil
}

// lock takes the exclusive lock of a database without content and holds it until the returned function is called. It
// works on every platform that SQLite works on, between processes and within one, and ends with the process.
func lock(ctx context.Context, file string) (func() error, error) {
	db, err := openFile(file, "_pragma=busy_timeout=0")
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db.Close, nil
}

// createSchema fills an empty database, at once or not at all, and refuses one with another schema.
func createSchema(ctx context.Context, file string) (err error) {
	version, err := schemaVersion()
	if err != nil {
		return err
	}
	db, err := openFile(file, "_pragma=journal_mode=wal")
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // no effect after Commit

	var found int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&found); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	switch found {
	case version:
		return nil
	case 0:
	default:
		return fmt.Errorf("%s has schema %d and this server needs %d: choose an empty directory", databaseFile, found, version)
	}
	if err := sqliteschema.SetupSchemaOnDB(schemaTarget{ctx: ctx, tx: tx}); err != nil {
		return fmt.Errorf("create schema: %w", err)
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version)); err != nil {
		return fmt.Errorf("record schema version: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("create schema: %w", err)
	}
	return nil
}

// schemaVersion packs the two schema versions of the server, such as 0.11 and 0.1, into one number.
func schemaVersion() (int, error) {
	var packed int
	for _, version := range []string{sqliteschema.Version, sqliteschema.VisibilityVersion} {
		for part := range strings.SplitSeq(version, ".") {
			n, err := strconv.Atoi(part)
			if err != nil || n < 0 || n > 99 {
				return 0, fmt.Errorf("schema version %q of the server is not understood", version)
			}
			packed = packed*100 + n
		}
	}
	return packed, nil
}

// schemaTarget lets the server's schema setup write into a transaction. Exec is the only method that it calls.
type schemaTarget struct {
	sqlplugin.AdminDB
	ctx context.Context
	tx  *sql.Tx
}

func (t schemaTarget) Exec(statement string, args ...any) error {
	_, err := t.tx.ExecContext(t.ctx, statement, args...)
	return err
}

// openFile opens a database over a single connection.
func openFile(file, parameters string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+escape(file)+"?"+parameters)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// escape makes a path safe within a SQLite URI, in which ?, # and % mean something.
func escape(file string) string {
	return (&url.URL{Path: filepath.ToSlash(file)}).EscapedPath()
}
