package sdktest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"jali/audit"
	jaliv1 "jali/proto/jali/v1"
	"jali/sdk"
)

const (
	checkTimeout  = 2 * time.Minute  // reading and checking the whole log
	settleTimeout = 30 * time.Second // until questions under way have an outcome
)

// Log is the whole log of a gateway, checked.
type Log struct {
	Entries []audit.Entry
	Ledgers map[audit.LedgerKey]*audit.Ledger
	// Open counts charges without outcome: questions under way.
	Open int
}

// Count is how many entries of a kind there are.
func (l Log) Count(kind audit.Kind) int {
	n := 0
	for _, e := range l.Entries {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// finish is the cleanup of every test: check the log, then stop. A gateway that was killed or stopped serves again for it.
func (g *Gateway) finish() {
	if g.server == nil {
		g.Serve()
	}
	// A question whose caller went away is answered and recorded all the same: give it the time of the longest slot.
	for deadline := time.Now().Add(settleTimeout); ; time.Sleep(200 * time.Millisecond) {
		log, err := g.Check()
		if err != nil {
			g.t.Errorf("sdktest: the log does not hold: %v", err)
			break
		}
		if log.Open == 0 {
			break
		}
		if time.Now().After(deadline) {
			g.t.Errorf("sdktest: %d charges have no outcome after %v", log.Open, settleTimeout)
			break
		}
	}
	if g.t.Failed() {
		g.t.Logf("gateway's log:\n%s", g.Log())
	}
	for _, c := range g.clients {
		c.Close()
	}
	g.Stop()
}

// Check reads the log as a regulator and checks it: chain and ledgers from the first entry, the root against the signed
// checkpoint under the keys handed out with certificates, and the entries of every answer that a Client was given.
func (g *Gateway) Check() (Log, error) {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	regulator := g.Regulator()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(regulator.profile), "vkeys"))
	if err != nil {
		return Log{}, err
	}
	keys, err := audit.ReadKeys(text)
	if err != nil {
		return Log{}, err
	}
	service := jaliv1.NewAuditServiceClient(regulator.Conn())
	signed, err := service.GetCheckpoint(ctx, &jaliv1.GetCheckpointRequest{})
	if err != nil {
		return Log{}, fmt.Errorf("read checkpoint: %w", sdk.FromStatus(err))
	}
	checkpoint, err := keys.OpenCheckpoint([]byte(signed.GetCheckpoint()))
	if err != nil {
		return Log{}, err
	}
	if !slices.Equal(signed.GetVkeys(), keys.VKeys) {
		return Log{}, errors.New("the gateway shows other log keys than it handed out with certificates")
	}
	log, err := readLog(ctx, service, keys, checkpoint, []byte(signed.GetFinal()))
	if err != nil {
		return log, err
	}
	return log, g.checkKept(log)
}

// readLog pages through the entries up to the checkpoint.
func readLog(ctx context.Context, service jaliv1.AuditServiceClient, keys *audit.Keys, checkpoint audit.Checkpoint, final []byte) (Log, error) {
	var log Log
	chain := audit.NewChain(keys.Origin, keys.VKeys, final)
	for chain.Size() < checkpoint.Size {
		page, err := service.ListEntries(ctx, &jaliv1.ListEntriesRequest{From: chain.Size(), Limit: int32(min(1000, checkpoint.Size-chain.Size()))})
		if err != nil {
			return log, fmt.Errorf("read entries: %w", sdk.FromStatus(err))
		}
		if len(page.GetEntries()) == 0 {
			return log, fmt.Errorf("read entries: none from %d on, but the checkpoint has %d", chain.Size(), checkpoint.Size)
		}
		for _, e := range page.GetEntries() {
			if err := chain.Next([]byte(e.GetHeader())); err != nil {
				return log, err
			}
			parsed, err := audit.ParseEntry([]byte(e.GetHeader()))
			if err != nil {
				return log, err
			}
			log.Entries = append(log.Entries, parsed)
		}
	}
	root, err := chain.Root()
	if err != nil {
		return log, err
	}
	if root != checkpoint.Root {
		return log, fmt.Errorf("the %d entries do not have the root that was signed", checkpoint.Size)
	}
	log.Ledgers, log.Open = chain.Ledgers(), len(chain.Open())
	return log, nil
}

// checkKept finds the answers that were handed out, and holds the charges against them: what was answered was paid for.
func (g *Gateway) checkKept(log Log) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var spent, answered int64
	charge := map[uint64]int64{}
	for _, e := range log.Entries {
		if e.Kind == audit.Intent {
			charge[e.Seq] = e.Part("cost", "r")
			spent += charge[e.Seq]
		}
	}
	counted := map[uint64]bool{}
	for _, r := range g.kept {
		if r.Receipt.Release >= uint64(len(log.Entries)) {
			return fmt.Errorf("an answer was given with release %d, which is not in the log", r.Receipt.Release)
		}
		receipt, err := audit.ParseReceipt(r.Receipt.Raw)
		if err != nil {
			return err
		}
		for i, seq := range []uint64{r.Receipt.Intent, r.Receipt.Release} {
			if string(log.Entries[seq].Line) != receipt.Entries[i] {
				return fmt.Errorf("entry %d of an answer's receipt is another one in the log", seq)
			}
		}
		if !counted[r.Receipt.Intent] {
			counted[r.Receipt.Intent] = true
			answered += charge[r.Receipt.Intent]
		}
	}
	if spent < answered {
		return fmt.Errorf("answers worth %d nano-rho were given, %d were charged", answered, spent)
	}
	var ledgers int64
	for key, l := range log.Ledgers {
		if key.Agreement != "" {
			ledgers += l.Spent.Rho
		}
	}
	if ledgers != spent {
		return fmt.Errorf("agreement ledgers hold %d nano-rho, the charges are %d", ledgers, spent)
	}
	return nil
}
