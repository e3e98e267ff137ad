package witness

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"jali/audit"
)

// Config says what a witness serves.
type Config struct {
	Dir  string        // made by Init: witness.key, witness.db
	Logs []*audit.Keys // whose checkpoints it cosigns
	Page string        // directory of a static site to serve besides; empty: none
	// Operator gets what the witness's operator must know: refusals that smell of a fork.
	Operator *slog.Logger
}

// Server is a witness. It is an http.Handler for concurrent use.
type Server struct {
	keys  *keys
	state *state
	logs  map[string]*audit.Keys
	mux   *http.ServeMux
	log   *slog.Logger
}

func keyFile(dir string) string   { return filepath.Join(dir, "witness.key") }
func stateFile(dir string) string { return filepath.Join(dir, "witness.db") }

// Init makes keys and an empty state in a directory where neither is. A crash leaves keys without state at most, and Init may
// run again; a state that is there is never touched.
func Init(dir, name string) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("init witness: %w", err)
	}
	if there, err := exists(stateFile(dir)); err != nil || there {
		return fmt.Errorf("init witness: %w", errors.Join(err, errors.New("witness.db is there already")))
	}
	if there, err := exists(keyFile(dir)); err != nil {
		return fmt.Errorf("init witness: %w", err)
	} else if !there {
		if err := createKeys(keyFile(dir), name); err != nil {
			return fmt.Errorf("init witness: %w", err)
		}
	}
	return createState(stateFile(dir))
}

// Ready reports whether a directory holds a witness. One that has its keys but no state has lost it, or was not made
// completely: that is for its operator to decide, so it is an error.
func Ready(dir string) (bool, error) {
	key, err := exists(keyFile(dir))
	if err != nil {
		return false, err
	}
	db, err := exists(stateFile(dir))
	switch {
	case err != nil:
		return false, err
	case key != db:
		return false, fmt.Errorf("%w: one of witness.key and witness.db is missing: a witness that has forgotten must not go on under its old key", ErrState)
	}
	return key, nil
}

// Open opens a witness for its logs.
func Open(cfg Config) (*Server, error) {
	s := &Server{logs: map[string]*audit.Keys{}, mux: http.NewServeMux(), log: cfg.Operator}
	if s.log == nil {
		s.log = slog.Default()
	}
	for _, k := range cfg.Logs {
		if _, twice := s.logs[k.Origin]; twice {
			return nil, fmt.Errorf("open witness: log %s is configured twice", k.Origin)
		}
		s.logs[k.Origin] = k
	}
	var err error
	if s.keys, err = loadKeys(keyFile(cfg.Dir)); err != nil {
		return nil, err
	}
	if s.state, err = openState(stateFile(cfg.Dir)); err != nil {
		return nil, err
	}
	s.mux.HandleFunc("POST /add-checkpoint", s.add)
	for _, k := range s.logs {
		id := sha256.Sum256([]byte(k.Origin))
		s.mux.HandleFunc("GET /"+hex.EncodeToString(id[:])+"/checkpoint", func(w http.ResponseWriter, _ *http.Request) { s.latest(w, k.Origin) })
	}
	s.mux.HandleFunc("GET /logs", s.list)
	if cfg.Page != "" {
		s.mux.Handle("GET /", pages(cfg.Page))
	}
	return s, nil
}

// pageTime is how long a file of the page may take: a verifier and a record weigh more than a cosignature.
const pageTime = 5 * time.Minute

// pages serves a static site. No other site may frame it and take a click for the reader's.
func pages(dir string) http.Handler {
	files := http.FileServer(http.Dir(dir))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(pageTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		head := w.Header()
		head.Set("Content-Security-Policy", "frame-ancestors 'none'")
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		files.ServeHTTP(w, r)
	})
}

// Close closes the state.
func (s *Server) Close() error { return s.state.close() }

// Name and VKeys are the name and the verifier keys of this witness.
func (s *Server) Name() string    { return s.keys.name }
func (s *Server) VKeys() []string { return slices.Clone(s.keys.vkeys) }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// answer is an error with the status the protocol gives it. Its text is about the request alone.
type answer struct {
	status int
	size   *uint64 // of a conflict
	why    string
}

func (a *answer) Error() string { return a.why }

func conflict(size uint64) *answer {
	return &answer{http.StatusConflict, &size, "the old size is not the one recorded here"}
}

func (s *Server) add(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		http.Error(w, "the body cannot be read, or is larger than 64 KiB", http.StatusBadRequest)
		return
	}
	lines, err := s.Add(body)
	var a *answer
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write(lines) // a client that is gone asks again and gets a conflict
	case errors.As(err, &a) && a.size != nil:
		w.Header().Set("Content-Type", "text/x.tlog.size")
		w.WriteHeader(a.status)
		fmt.Fprintf(w, "%d\n", *a.size)
	case errors.As(err, &a):
		http.Error(w, a.why, a.status)
	default:
		s.log.Error("checkpoint not recorded, not cosigned", "err", err)
		http.Error(w, "the witness cannot record", http.StatusInternalServerError)
	}
}

// Add decides about the body of an add-checkpoint request, in the order of audit-log.md section 10, and returns the
// cosignature lines. The record is durable before it returns.
func (s *Server) Add(body []byte) ([]byte, error) {
	req, err := ParseRequest(body)
	if err != nil {
		return nil, &answer{status: http.StatusBadRequest, why: err.Error()}
	}
	log := s.logs[req.origin()]
	if log == nil {
		return nil, &answer{status: http.StatusNotFound, why: "the log is not known here"}
	}
	n, next, err := open(req, log)
	if err != nil {
		return nil, err
	}
	was, _, err := s.state.read(log.Origin)
	if err != nil {
		return nil, err
	}
	if req.Old != was.Size {
		return nil, conflict(was.Size)
	}
	if err := extends(was, next, req.Proof); err != nil {
		s.log.Error("refused: a checkpoint signed by the log is not shown to extend the one recorded", "log", log.Origin, "recorded", was.Size, "offered", next.Size)
		return nil, &answer{status: http.StatusUnprocessableEntity, why: err.Error()}
	}
	// Signed before the record and kept with it, sent after it: a cosignature that was sent is always on record.
	lines, full, err := s.keys.cosign(n.Text, n.Sigs)
	if err != nil {
		return nil, err
	}
	next.Time = time.Now()
	now, swapped, err := s.state.swap(log.Origin, was, next, full)
	if err != nil {
		return nil, err
	}
	if !swapped {
		return nil, conflict(now.Size)
	}
	return lines, nil
}

// open checks signatures and body of a checkpoint.
func open(req Request, log *audit.Keys) (*note.Note, Seen, error) {
	n, err := note.Open(req.Checkpoint, note.VerifierList(log.Verifiers()...))
	var bad *note.InvalidSignatureError
	var unsigned *note.UnverifiedNoteError
	switch {
	case errors.As(err, &bad), errors.As(err, &unsigned):
		return nil, Seen{}, &answer{status: http.StatusForbidden, why: "no valid signature of a key trusted here, or an invalid one"}
	case err != nil:
		return nil, Seen{}, &answer{status: http.StatusBadRequest, why: "malformed note"}
	}
	parts := strings.Split(n.Text, "\n")
	malformed := &answer{status: http.StatusBadRequest, why: "malformed checkpoint: want origin, size and root alone"}
	if len(parts) != 4 {
		return nil, Seen{}, malformed
	}
	size, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return nil, Seen{}, malformed
	}
	root, err := rootOf(parts[2])
	if err != nil || string(audit.CheckpointBody(log.Origin, size, root)) != n.Text {
		return nil, Seen{}, malformed
	}
	if req.Old > size {
		return nil, Seen{}, &answer{status: http.StatusBadRequest, why: "the old size is larger than the checkpoint"}
	}
	return n, Seen{Size: size, Root: root}, nil
}

// extends checks that next continues what was recorded.
func extends(was, next Seen, proof [][32]byte) error {
	switch {
	case next.Size == 0 && next.Root != audit.EmptyRoot():
		return errors.New("the root is not that of an empty log")
	case was.Size == 0 && len(proof) > 0:
		return errors.New("a proof from the empty log must be empty")
	case was.Size == 0:
		return nil
	case was.Size == next.Size && (was.Root != next.Root || len(proof) > 0):
		return errors.New("the same size with another root, or with a proof")
	}
	return audit.VerifyConsistency(was.Size, next.Size, proof, was.Root, next.Root)
}

// latest serves the last cosigned checkpoint of a log.
func (s *Server) latest(w http.ResponseWriter, origin string) {
	_, n, err := s.state.read(origin)
	switch {
	case err != nil:
		s.log.Error("state not readable", "err", err)
		http.Error(w, "the witness cannot read its state", http.StatusInternalServerError)
	case len(n) == 0:
		http.Error(w, "no checkpoint of this log was cosigned yet", http.StatusNotFound)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Access-Control-Allow-Origin", "*") // for verifiers that run in a browser
		w.Write(n)
	}
}

// list tells when each log was last seen, so that a log that falls silent is noticed.
func (s *Server) list(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	origins := make([]string, 0, len(s.logs))
	for o := range s.logs {
		origins = append(origins, o)
	}
	slices.Sort(origins)
	for _, o := range origins {
		seen, n, err := s.state.read(o)
		when := "never"
		if err == nil && len(n) > 0 {
			when = seen.Time.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s %d %s\n", o, seen.Size, when)
	}
}
