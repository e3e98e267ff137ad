package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"jali/audit"
)

// Errors of chains of logs.
var (
	// ErrLink: a log does not go on from the one it is said to.
	ErrLink = errors.New("not the continuation of the log before")
)

// Link is how a log goes on from the one before it.
type Link struct {
	From, To   string // origins
	Why        string // year or restore
	Size       uint64 // of the log before, as its last checkpoint says
	Lost       uint64 // entries of the log before that this export of it does not hold
	Checks     []string
	NotChecked []string
}

func (l *Link) note(format string, args ...any) {
	l.Checks = append(l.Checks, fmt.Sprintf(format, args...))
}

// VerifyLink checks that the log exported to newer goes on from the one exported to older, which it verifies: audit-log.md
// sections 8b and 14. newer must have been verified before. The genesis of newer pins the last checkpoint of older, so no keys of
// older need to be trusted: those in the export must have signed that checkpoint. Between the two, no budget may return: newer
// begins with every ledger of older, spent as it was (year) or up to its cap (restore, where entries were lost).
func VerifyLink(newer, older string) (Link, Report, error) {
	l := &linker{newer: os.DirFS(newer), older: os.DirFS(older)}
	if err := l.run(); err != nil {
		return Link{}, Report{}, fmt.Errorf("verify link: %w", err)
	}
	return l.Link, l.report, nil
}

type linker struct {
	Link
	newer, older fs.FS
	final        audit.Checkpoint
	report       Report // of older

	genesis audit.Entry
	keys    string // digest of newer's verifier keys
	carried map[audit.LedgerKey]audit.Amount
}

func (l *linker) run() error {
	n, o := &verifier{files: l.newer}, &verifier{files: l.older}
	text, err := n.read("final", 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: the newer log began by itself", ErrLink)
	}
	if err != nil {
		return err
	}
	vkeys, err := o.read("vkeys", 1<<16)
	if err != nil {
		return err
	}
	keys, err := audit.ReadKeys(vkeys)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if l.final, err = keys.OpenCheckpoint(text); err != nil {
		return fmt.Errorf("%w: its last checkpoint, as the newer genesis pins it: %w", ErrLink, err)
	}
	if err := l.readNewer(); err != nil {
		return err
	}
	l.From, l.To, l.Why, l.Size = keys.Origin, l.genesis.Origin, l.genesis.Text("why"), l.final.Size
	if uint64(l.genesis.Int("psize")) != l.final.Size {
		return fmt.Errorf("%w: the genesis says %d entries, the checkpoint it pins %d", ErrLink, l.genesis.Int("psize"), l.final.Size)
	}
	note, err := o.read("checkpoint", 1<<20)
	if err != nil {
		return err
	}
	cp, err := keys.OpenCheckpoint(note)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	switch {
	case l.Why == "restore" && cp.Size < l.final.Size:
		l.Lost = l.final.Size - cp.Size
		l.report, err = VerifyFS(l.older, keys)
		l.NotChecked = append(l.NotChecked, fmt.Sprintf("entries %d to %d of %s: they are lost, on record; what is left of that log cannot be compared with its last checkpoint", cp.Size, l.final.Size-1, l.From))
	default:
		l.report, err = VerifyFS(l.older, keys, l.final)
		l.note("%s continues %s, whose %d entries give the root that the genesis pins", l.To, l.From, l.final.Size)
	}
	if err != nil {
		return err
	}
	switch l.Why {
	case "year":
		err = l.closed()
	case "restore":
		err = l.spentUp()
	default:
		err = fmt.Errorf("%w: a genesis with why=%s goes on from nothing", ErrLink, l.Why)
	}
	return err
}

// readNewer reads what the newer log begins with.
func (l *linker) readNewer() error {
	v := &verifier{files: l.newer}
	text, err := v.read("vkeys", 1<<16)
	if err != nil {
		return err
	}
	keys, err := audit.ReadKeys(text)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	l.keys, l.carried = audit.KeysDigest(keys.VKeys), map[audit.LedgerKey]audit.Amount{}
	return each(l.newer, func(e audit.Entry) error {
		switch {
		case e.Kind == audit.Genesis:
			l.genesis = e
		case e.Kind == audit.Budget && e.Fields["spent"] != nil:
			k := audit.LedgerKey{Agreement: e.Text("ag"), Population: e.Text("pop")}
			if _, twice := l.carried[k]; !twice {
				l.carried[k] = audit.Amount{Rho: e.Part("spent", "r"), Delta: e.Part("spent", "d")}
			}
		}
		return nil
	})
}

// closed checks the end of a shard that was closed in order.
func (l *linker) closed() error {
	var all audit.Root512
	var last audit.Entry
	announced := false
	err := each(l.older, func(e audit.Entry) error {
		if e.Kind == audit.Key && e.Text("use") == "log" && e.Text("act") == "announce" && e.Text("kid") == l.keys {
			announced = true
		}
		if e.Kind == audit.ShardClose {
			if e.Text("r512") != all.Digest() {
				return fmt.Errorf("%w: %w", ErrInvalid, &audit.EntryError{Seq: e.Seq, Field: "r512", Err: errors.New("the entries do not give this SHA-512 root")})
			}
		}
		all.Append(e.Line)
		last = e
		return nil
	})
	switch {
	case err != nil:
		return err
	case last.Kind != audit.ShardClose || last.Seq+1 != l.final.Size:
		return fmt.Errorf("%w: %s is not closed: it may go on beside the log that claims to follow it", ErrLink, l.From)
	case last.Text("next") != l.To:
		return fmt.Errorf("%w: %s names %s as the log that follows it", ErrLink, l.From, last.Text("next"))
	case !announced:
		return fmt.Errorf("%w: %s does not announce these keys", ErrLink, l.From)
	}
	l.note("%s is closed by its last entry, whose SHA-512 root is right, names %s as next, and announces its keys", l.From, l.To)
	for k, was := range l.report.Ledgers {
		if got, ok := l.carried[k]; !ok || got != was.Spent {
			return fmt.Errorf("%w: the budget %s was spent %d nano-rho, the next log begins with %d", ErrLink, ledgerName(k), was.Spent.Rho, got.Rho)
		}
	}
	l.note("%d budgets are carried over with what was spent", len(l.report.Ledgers))
	return nil
}

// spentUp checks the budgets after a loss: what could have been charged in the lost range counts as charged.
func (l *linker) spentUp() error {
	for k, was := range l.report.Ledgers {
		got, ok := l.carried[k]
		if !ok || got.Rho < max(was.Cap.Rho, was.Spent.Rho) || got.Delta < max(was.Cap.Delta, was.Spent.Delta) {
			return fmt.Errorf("%w: entries are lost, so the budget %s must begin spent up to its cap of %d nano-rho; it begins with %d", ErrLink, ledgerName(k), was.Cap.Rho, got.Rho)
		}
	}
	l.note("%d budgets begin spent up to their caps, because entries that may have charged them are lost", len(l.report.Ledgers))
	return nil
}

func ledgerName(k audit.LedgerKey) string {
	if k.Agreement == "" {
		return "of population " + k.Population
	}
	return "of agreement " + k.Agreement + " on " + k.Population
}

// each parses the lines of an export that was verified.
func each(files fs.FS, visit func(audit.Entry) error) error {
	f, err := files.Open("entries.jsonl")
	if err != nil {
		return missing(err)
	}
	defer f.Close()
	for in := newLineReader(f); ; {
		line, err := in.next(audit.MaxHeader)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: entries.jsonl: %w", ErrInvalid, err)
		}
		e, err := audit.ParseEntry(line)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if err := visit(e); err != nil {
			return err
		}
	}
}
