package pipelinebench

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/nsqio/go-nsq"
)

// original is a stand-in for the receiver that Rollcall replaces, to compare with. For
// each post it does what that one does (receiver/pkg of Skarlso/kube-cluster-sample): it
// reads the body twice, because a single post is a list of one, opens a connection to the
// database to look for the path in a table without an index of paths, another one to insert
// the row, and a producer for the one message, and writes what it does to its log.
type original struct {
	dsn  string
	nsqd string
	log  *log.Logger
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
	file, err := os.Create(filepath.Join(r.dir, "original.log"))
	if err != nil {
		return target{}, err
	}
	u.add(func() { file.Close() })
	o := &original{dsn: r.dsn("intake_original"), nsqd: servers.NSQD(), log: log.New(file, "", log.Flags())}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /image/post", func(w http.ResponseWriter, req *http.Request) {
		var answer bytes.Buffer
		if err := o.accept(req, &answer); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = answer.WriteTo(w) // a client that is gone gets no answer
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }() // its end makes the posts fail
	u.add(func() { _ = server.Close() })
	return target{name: "the original's stand-in", address: l.Addr().String(), route: "/image/post", raw: raw, tables: []string{"original"}}, nil
}

// pathsBody is the body of a post of many paths.
type pathsBody struct {
	Paths []pathBody `json:"paths"`
}

type pathBody struct {
	Path string `json:"path"`
}

func (o *original) accept(req *http.Request, answer io.Writer) error {
	var body pathBody
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
		return err
	}
	fmt.Fprintf(answer, "got path: %+v\n", body)
	var list bytes.Buffer
	if err := json.NewEncoder(&list).Encode(pathsBody{[]pathBody{body}}); err != nil {
		return err
	}
	var all pathsBody
	if err := json.NewDecoder(&list).Decode(&all); err != nil {
		return err
	}
	fmt.Fprintf(answer, "got paths: %+v\n", all)
	for _, p := range all.Paths {
		o.log.Print("Saving image path")
		known, err := o.find(req.Context(), p.Path)
		if err != nil || known {
			return err
		}
		id, err := o.insert(req.Context(), p.Path)
		if err != nil {
			return err
		}
		fmt.Fprintf(answer, "image saved with id: %d\n", id)
		if err := o.publish(id); err != nil {
			return err
		}
		fmt.Fprintln(answer, "image sent to nsq")
	}
	return nil
}

// find looks for a path. As in the original, the driver prepares the statement first.
func (o *original) find(ctx context.Context, path string) (bool, error) {
	db, err := sql.Open("mysql", o.dsn)
	if err != nil {
		return false, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SELECT 1 FROM original WHERE path = ?", path)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	return rows.Next(), rows.Err()
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
	o.log.Printf("sending image id %d to queue...", id)
	producer, err := nsq.NewProducer(o.nsqd, nsq.NewConfig())
	if err != nil {
		return err
	}
	defer producer.Stop()
	producer.SetLogger(o.log, nsq.LogLevelInfo)
	return producer.Publish("images", binary.LittleEndian.AppendUint64(nil, uint64(id))) //nolint:gosec // ids are above 0
}
