package pipelinebench

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/nsqio/go-nsq"
)

// original is a stand-in for the receiver that Rollcall replaces, to compare with. For
// each post it does what that one does: it opens a connection to the database to look
// for the path in a table without an index of paths, another one to insert the row, and a
// producer for the one message.
type original struct {
	dsn  string
	nsqd string
}

// newOriginal starts the stand-in, with a table such as the original's.
func newOriginal(ctx context.Context, r *rig, u *undo) (target, error) {
	_, raw, err := r.database(ctx, u, "intake_original")
	if err != nil {
		return target{}, err
	}
	const table = "CREATE TABLE original (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, path VARCHAR(255) NOT NULL, person INT, status INT)"
	if _, err := raw.ExecContext(ctx, table); err != nil {
		return target{}, err
	}
	servers, err := r.queue(u)
	if err != nil {
		return target{}, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return target{}, err
	}
	o := &original{dsn: r.dsn("intake_original"), nsqd: servers.NSQD()}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /image/post", func(w http.ResponseWriter, req *http.Request) {
		if err := o.accept(req); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintln(w, "stored")
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }() // its end makes the posts fail
	u.add(func() { _ = server.Close() })
	return target{name: "the original's stand-in", address: l.Addr().String(), route: "/image/post", raw: raw, tables: []string{"original"}}, nil
}

func (o *original) accept(req *http.Request) error {
	var body struct{ Path string }
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
		return err
	}
	known, err := o.find(req.Context(), body.Path)
	if err != nil || known {
		return err
	}
	id, err := o.insert(req.Context(), body.Path)
	if err != nil {
		return err
	}
	return o.publish(id)
}

func (o *original) find(ctx context.Context, path string) (bool, error) {
	db, err := sql.Open("mysql", o.dsn)
	if err != nil {
		return false, err
	}
	defer db.Close()
	var n int
	err = db.QueryRowContext(ctx, "SELECT COUNT(*) FROM original WHERE path = ?", path).Scan(&n)
	return n > 0, err
}

func (o *original) insert(ctx context.Context, path string) (int64, error) {
	db, err := sql.Open("mysql", o.dsn)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	done, err := db.ExecContext(ctx, "INSERT INTO original (path, person, status) VALUES (?, -1, 0)", path)
	if err != nil {
		return 0, err
	}
	return done.LastInsertId()
}

func (o *original) publish(id int64) error {
	producer, err := nsq.NewProducer(o.nsqd, nsq.NewConfig())
	if err != nil {
		return err
	}
	defer producer.Stop()
	producer.SetLogger(nil, nsq.LogLevelError)
	return producer.Publish("images", binary.LittleEndian.AppendUint64(nil, uint64(id))) //nolint:gosec // ids are above 0
}
