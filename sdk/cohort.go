package sdk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"jali/audit"
	"jali/crypto/cohort"
	jaliv1 "jali/proto/jali/v1"
)

// ErrRejected: the answer to an encrypted question is no plausible number. The selector was not what the rules allow, a declared
// size rule was violated, or key and table version do not match. The charge stands. Do not report it to the gateway: that would be
// feedback on a decryption.
var ErrRejected = errors.New("selector rejected or rule violated")

// CohortQuery is an encrypted question: a number over the categories in Codes, or over the participants in Subjects of a study, which the
// gateway does not learn. Everything else is public.
type CohortQuery struct {
	// Agreement, Purpose, Dataset and Error are as in Query; the agreement must open the kind "encrypted".
	Agreement, Purpose, Dataset, Error string
	// By is "table.column": a column with public codes, or a declared band. Two with a comma select pairs of codes. With Study it is the
	// table in which the participants have rows.
	By string
	// Codes are the secret: which categories count. With two columns in By, Tuples has one pair of codes per selected cell instead.
	Codes  []string
	Tuples [][]string
	// Study is the id of a study population registered under the agreement, Population its list as it was registered, in its order, and
	// Subjects the secret: which participants count. One without rows that the question counts adds 0. Population does not leave the client.
	Study      string
	Population []string
	Subjects   []string
	// Group is "table.column", in the clear: one number for each of its groups. Empty: one number over all.
	Group string
	// Where is an SQL condition over the table; it is not encrypted.
	Where string
	// PerPerson caps the categories in which one person counts, below the catalogue's cap: fewer are cheaper, and persons in more count
	// in some of them, chosen at random. 0: the catalogue's cap.
	PerPerson int64
	// Measure is the column that CohortSum and CohortMean add up.
	Measure string
	// Size declares exactly how many categories or subjects are selected; MinSize and MaxSize bound a number that stays hidden (MaxSize 0: no
	// upper bound; else MaxSize-MinSize+1 must be a power of two). All 0: no rule.
	Size, MinSize, MaxSize int64
	// Auditor is the public key of the auditor to whom the agreement wants questions opened, as the auditor gave it to you; nil: to nobody. A
	// gateway that names another is not asked: whoever holds the other half reads Codes.
	Auditor []byte
	// Progress, if set, hears of each step.
	Progress func(CohortProgress)
}

// CohortProgress is one step of an encrypted question.
type CohortProgress struct {
	Step string // "list", "key", "queue", "upload" or "evaluate"
	// Done and Total are bytes of the upload; of "queue", Total is the bytes ahead.
	Done, Total int64
	// Ahead is how many uploads the gateway takes first. "queue" is told only to who has to wait.
	Ahead int
}

// CohortResult is a verified, decrypted answer: one row with one measure, or one such row per group.
type CohortResult struct {
	Result
	// UploadedBytes and DownloadedBytes count what travelled: the selector, a new key if one was registered, and the reply.
	UploadedBytes, DownloadedBytes int64
}

// CohortCount counts persons in each category, added up over the selected categories.
func (c *Client) CohortCount(ctx context.Context, q CohortQuery) (*CohortResult, error) {
	return c.cohort(ctx, q, "count")
}

// CohortSum adds up a measure over the rows of the selected categories.
func (c *Client) CohortSum(ctx context.Context, q CohortQuery) (*CohortResult, error) {
	return c.cohort(ctx, q, "sum")
}

// CohortMean is the average of a measure over the rows of the selected categories: two numbers are bought.
func (c *Client) CohortMean(ctx context.Context, q CohortQuery) (*CohortResult, error) {
	return c.cohort(ctx, q, "mean")
}

func (q CohortQuery) check(aggregate string) error {
	if err := (Query{Agreement: q.Agreement, Purpose: q.Purpose, SQL: "-", Error: q.Error}).check(); err != nil {
		return err
	}
	invalid := func(message, hint string) error {
		return &QueryError{Code: "INVALID", Message: message, Hint: hint}
	}
	selection := q.checkCodes
	if q.Study != "" {
		selection = q.checkSubjects
	}
	if err := selection(); err != nil {
		return err
	}
	switch {
	case aggregate != "count" && q.Measure == "":
		return invalid("no measure given", "name the column to add up (--measure)")
	case aggregate == "count" && q.Measure != "":
		return invalid("a count has no measure", "leave the measure out, or ask for sum or mean")
	case q.PerPerson < 0:
		return invalid("the cap on one person's categories is below 0", "leave it out, or give a number from 1")
	case q.Size < 0 || q.MinSize < 0 || q.MaxSize < 0 || q.Size > 0 && (q.MinSize > 0 || q.MaxSize > 0):
		return invalid("the size rule cannot be read", "declare either the exact size, or a smallest and a largest")
	}
	return nil
}

// checkCodes holds the selection of categories together.
func (q CohortQuery) checkCodes() error {
	invalid := func(message, hint string) error {
		return &QueryError{Code: "INVALID", Message: message, Hint: hint}
	}
	columns := strings.Split(q.By, ",")
	for _, name := range columns {
		if table, column, ok := strings.Cut(name, "."); !ok || table == "" || column == "" {
			return invalid("no column to select by given", "name it as table.column (--by), e.g. medical_claim.icd")
		}
	}
	for _, tuple := range q.Tuples {
		if len(tuple) != len(columns) {
			return invalid("a selected cell does not have one code for each column", "give one code for each column of --by, with a comma")
		}
	}
	switch {
	case len(q.Codes) > 0 && len(q.Tuples) > 0, len(q.Codes) > 0 && len(columns) > 1:
		return invalid("codes of one column cannot select pairs", "with two columns name pairs of codes")
	case len(q.Codes) == 0 && len(q.Tuples) == 0:
		return invalid("no codes given", "name the codes to select (--codes)")
	case len(q.Subjects) > 0 || len(q.Population) > 0:
		return invalid("subjects are selected from a study", "name the study that they take part in (--study)")
	}
	return nil
}

func (q CohortQuery) tell(step string, done, total int64) {
	if q.Progress != nil {
		q.Progress(CohortProgress{Step: step, Done: done, Total: total})
	}
}

// cohort goes through the protocol: quote, list, key, nonce, encrypt, upload, evaluate, verify, decrypt. The receipt is verified
// before anything is decrypted. Codes never leave this function but encrypted.
func (c *Client) cohort(ctx context.Context, q CohortQuery, aggregate string) (*CohortResult, error) {
	if err := q.check(aggregate); err != nil {
		return nil, err
	}
	if len(c.vkeys) == 0 {
		return nil, configError("pin the log's verifier keys (--vkeys, or vkeys: in the profile)", "without the log's verifier keys no answer can be verified, so none is asked for")
	}
	q.tell("list", 0, 0)
	free, err := c.cohortQuote(ctx, q, aggregate, nil)
	if err != nil {
		return nil, err
	}
	q.Dataset = free.GetPlan().GetDataset()
	selector, err := c.selected(ctx, q, free)
	if err != nil {
		return nil, err
	}
	defer selector.Erase()

	q.tell("key", 0, 0)
	auditor, err := q.auditor(free.GetAuditor())
	if err != nil {
		return nil, err
	}
	key, offer, registered, err := c.cohortOffer(ctx, q, aggregate, free.GetParams())
	if err != nil {
		return nil, err
	}
	defer key.Erase()
	question, err := q.question(key, free, offer)
	if err != nil {
		return nil, err
	}
	encryption, err := key.Encrypt(question, selector, auditor, key.remember)
	if err != nil {
		return nil, selectorError(err)
	}
	defer encryption.Erase()
	commit, err := c.cohortUpload(ctx, q, offer.GetNonce(), encryption)
	if err != nil {
		return nil, err
	}
	q.tell("evaluate", int64(encryption.Bytes()), int64(encryption.Bytes()))
	answer, err := retry(ctx, c, func(ctx context.Context) (*jaliv1.EvaluateResponse, error) {
		return c.cohorts.Evaluate(ctx, &jaliv1.EvaluateRequest{Nonce: offer.GetNonce(), Commit: commit[:]})
	})
	if err != nil {
		return nil, err
	}
	receipt, err := c.verifyCohort(q, aggregate, key, offer, commit, answer)
	if err != nil {
		return nil, &ReceiptError{Reason: err, UnverifiedReceipt: answer.GetReceipt(), UnverifiedResult: answer.GetReply()}
	}
	numbers, err := key.Decrypt(answer.GetReply(), boundsOf(offer))
	switch {
	case errors.Is(err, cohort.ErrImplausible):
		return nil, &GatewayError{
			Code: "REJECTED", kind: ErrRejected, Decision: answer.GetDecision(),
			Message: "the decrypted number is out of range; the charge stands",
			Hint:    "check the declared size against the codes; do not report this to the gateway automatically (docs/encrypted-queries.md)",
		}
	case err != nil:
		return nil, fmt.Errorf("decrypt answer: %w", err)
	}
	result, err := cohortResult(aggregate, q.Group, offer.GetAggregates(), numbers)
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	result.PricePU, result.Budget, result.Replayed, result.SlotsOff = answer.GetPricePu(), balanceOf(answer.GetBudget()), answer.GetReplayed(), answer.GetSlotsOff()
	result.Receipt, result.Raw, result.Notes = receipt, answer.GetReply(), answer.GetNotes()
	result.UploadedBytes, result.DownloadedBytes = registered+int64(encryption.Bytes()), int64(len(answer.GetReply()))
	return result, nil
}

// cohortQuote asks for a quote; one that is refused is an error.
func (c *Client) cohortQuote(ctx context.Context, q CohortQuery, aggregate string, key []byte) (*jaliv1.CohortServiceQuoteResponse, error) {
	req := &jaliv1.CohortServiceQuoteRequest{
		Agreement: q.Agreement, Purpose: q.Purpose, Dataset: q.Dataset, Key: key, By: q.By, Study: q.Study, Group: q.Group, PerPerson: q.PerPerson, Where: q.Where,
		Aggregate: aggregate, Measure: q.Measure, Error: q.Error,
	}
	switch {
	case q.Size > 0:
		req.Rule = &jaliv1.SizeRule{Rule: &jaliv1.SizeRule_Exact{Exact: q.Size}}
	case q.MinSize > 0 || q.MaxSize > 0:
		req.Rule = &jaliv1.SizeRule{Rule: &jaliv1.SizeRule_Range{Range: &jaliv1.SizeRange{Min: q.MinSize, Max: q.MaxSize}}}
	}
	offer, err := retry(ctx, c, func(ctx context.Context) (*jaliv1.CohortServiceQuoteResponse, error) {
		return c.cohorts.Quote(ctx, req)
	})
	if err != nil {
		return nil, err
	}
	quote := Quote{Allowed: offer.GetAllowed(), Fits: offer.GetFits()}
	for _, r := range offer.GetReasons() {
		quote.Reasons = append(quote.Reasons, Reason{Code: r.GetCode(), Text: r.GetText(), Hint: r.GetHint()})
	}
	return offer, quote.Err()
}

// question is what both sides know. Everything in it is computed here again from public facts; what the gateway said otherwise
// is refused.
func (q CohortQuery) question(key *storedKey, free, offer *jaliv1.CohortServiceQuoteResponse) (cohort.Query, error) {
	changed := &GatewayError{Code: "QUOTE_STALE", kind: ErrStale, Message: "the data version changed between two quotes", Hint: "ask again"}
	p := key.Params()
	if offer.GetParams() != p.ID() || offer.GetEntries() != free.GetEntries() || string(offer.GetMapping()) != string(free.GetMapping()) || len(offer.GetNonce()) != 32 {
		return cohort.Query{}, changed
	}
	var rules []cohort.Rule
	n := int(offer.GetEntries())
	switch {
	case q.Size > 0:
		rules = append(rules, cohort.ExactSize(int(q.Size)))
	case q.MaxSize > 0:
		bits := 0
		for width := q.MaxSize - q.MinSize + 1; width > 1; width /= 2 {
			bits++
		}
		rules = append(rules, cohort.SizeBetween(int(q.MinSize), bits))
	case q.MinSize > 0:
		rules = append(rules, cohort.AtLeast(int(q.MinSize), n))
	}
	layout, err := cohort.NewLayout(p, n, rules...)
	if err != nil {
		return cohort.Query{}, selectorError(err)
	}
	plan := offer.GetPlan()
	table := cohort.Domain{Dataset: plan.GetDataset(), Version: plan.GetVersion(), Mapping: hex.EncodeToString(offer.GetMapping()), Entries: n}.ID(p)
	if string(offer.GetTable()) != string(table[:]) || plan.GetDataset() != q.Dataset {
		return cohort.Query{}, &GatewayError{Code: "TABLE", kind: ErrStale, Message: "the gateway names another table than its data version and list make", Hint: "use a client of the gateway's version"}
	}
	return cohort.Query{Layout: layout, Table: table, Nonce: [32]byte(offer.GetNonce())}, nil
}

// uploadChunk is the size of one message of a stream.
const uploadChunk = 256 << 10

// cohortUpload streams the upload; interrupted, it starts again with the same bytes.
func (c *Client) cohortUpload(ctx context.Context, q CohortQuery, nonce []byte, e *cohort.Encryption) (commit [32]byte, err error) {
	d, err := e.Commit()
	if err != nil {
		return commit, fmt.Errorf("encrypt: %w", err)
	}
	if err := c.cohortAdmit(ctx, q, nonce); err != nil {
		return commit, err
	}
	done, err := retry(ctx, c, func(ctx context.Context) (*jaliv1.UploadResponse, error) {
		ctx, cancel := context.WithCancel(ctx) // ends the stream whatever happens
		defer cancel()
		stream, err := c.cohorts.Upload(ctx)
		if err != nil {
			return nil, err
		}
		w := &chunks{send: stream.Send, nonce: nonce, tell: func(n int64) { q.tell("upload", n, int64(e.Bytes())) }}
		if _, err := e.Send(ctx, w, nil); err != nil && !errors.Is(err, errStreamEnded) {
			return nil, err
		}
		if err := w.flush(); err != nil && !errors.Is(err, errStreamEnded) {
			return nil, err
		}
		return stream.CloseAndRecv()
	})
	if err != nil {
		return commit, err
	}
	if string(done.GetCommit()) != string(d[:]) {
		return commit, &GatewayError{Code: "UPLOAD", kind: ErrUnavailable, Message: "the gateway received other bytes than were sent", Hint: "ask again; nothing was charged"}
	}
	return d, nil
}

// errStreamEnded: the gateway ended the stream; CloseAndRecv tells why.
var errStreamEnded = errors.New("stream ended")

// chunks cuts what is written into messages.
type chunks struct {
	send  func(*jaliv1.UploadRequest) error
	nonce []byte
	held  []byte
	sent  int64
	tell  func(int64)
}

func (w *chunks) Write(p []byte) (int, error) {
	w.held = append(w.held, p...)
	for len(w.held) >= uploadChunk {
		if err := w.message(w.held[:uploadChunk]); err != nil {
			return 0, err
		}
		w.held = append(w.held[:0:0], w.held[uploadChunk:]...)
	}
	return len(p), nil
}

func (w *chunks) flush() error { return w.message(w.held) }

func (w *chunks) message(data []byte) error {
	if err := w.send(&jaliv1.UploadRequest{Nonce: w.nonce, Data: data}); err != nil {
		return errStreamEnded
	}
	w.nonce = nil
	w.sent += int64(len(data))
	w.tell(w.sent)
	return nil
}

// verifyCohort checks that the receipt is that of this reply to this upload under this question and price.
func (c *Client) verifyCohort(q CohortQuery, aggregate string, key *storedKey, offer *jaliv1.CohortServiceQuoteResponse, commit [32]byte, answer *jaliv1.EvaluateResponse) (Receipt, error) {
	if len(answer.GetReceipt()) == 0 || len(answer.GetReply()) == 0 {
		return Receipt{}, errors.New("the answer came without reply or receipt")
	}
	r, report, err := checkReceipt(answer.GetReceipt(), answer.GetReply(), c.vkeys, c.seal)
	if err != nil {
		return Receipt{}, err
	}
	if !r.ResultChecked {
		return Receipt{}, errors.New("the receipt does not commit to the reply")
	}
	return r, matchesCohort(q, aggregate, key, offer, commit, answer, r, report)
}

func matchesCohort(q CohortQuery, aggregate string, key *storedKey, offer *jaliv1.CohortServiceQuoteResponse, commit [32]byte, answer *jaliv1.EvaluateResponse, r Receipt, report audit.Report) error {
	other := func(what string) error { return fmt.Errorf("the receipt is of another %s", what) }
	price := priceOf(report.Intent.Part("cost", "r"))
	switch {
	case r.Agreement != q.Agreement:
		return other("agreement")
	case r.Dataset != q.Dataset:
		return other("data set")
	case r.Purpose != q.Purpose:
		return other("purpose")
	case answer.GetDecision() != r.Intent:
		return other("decision")
	case report.Intent.Text("mode") != "he" || r.SQL != fmt.Sprintf("%s upload sha256:%x", offer.GetParams(), commit[:]):
		return other("upload")
	case report.Intent.Text("acct") != "nrho" || price != offer.GetPricePu():
		return other("price")
	case answer.GetReplayed() && answer.GetPricePu() != 0 || !answer.GetReplayed() && answer.GetPricePu() != price:
		return other("price")
	}
	var on struct {
		By        string `json:"by"`
		Study     string `json:"study"`
		Group     string `json:"group"`
		Where     string `json:"where"`
		PerPerson int64  `json:"per_person"`
		Aggregate string `json:"aggregate"`
		Measure   string `json:"measure"`
		Error     string `json:"error"`
		Key       string `json:"key"`
		Nonce     string `json:"nonce"`
	}
	if err := json.Unmarshal([]byte(disclosed(report, "request")), &on); err != nil {
		return errors.New("the receipt does not disclose the question")
	}
	id := key.ID()
	if on.By != q.By || on.Study != q.Study || on.PerPerson != q.PerPerson || on.Group != q.Group || on.Where != q.Where || on.Aggregate != aggregate || on.Measure != q.Measure || on.Error != q.Error ||
		on.Key != hex.EncodeToString(id[:]) || on.Nonce != hex.EncodeToString(offer.GetNonce()) {
		return other("question")
	}
	return nil
}

func boundsOf(offer *jaliv1.CohortServiceQuoteResponse) []int64 {
	var out []int64
	for _, a := range offer.GetAggregates() {
		out = append(out, a.GetBound())
	}
	return out
}

// selectorError explains a selection that breaks its own rules, before anything is sent.
func selectorError(err error) error {
	if errors.Is(err, cohort.ErrSelector) || errors.Is(err, cohort.ErrRule) || errors.Is(err, cohort.ErrSlots) {
		return &QueryError{Code: "INVALID", Message: "the selection does not meet the declared size: " + err.Error(), Hint: "change the codes or the size rule; the selection was not sent, and nothing was charged"}
	}
	return fmt.Errorf("encrypt: %w", err)
}

// mappingOf is the digest of the lists of entries: docs/encrypted-queries.md, "Entries".
func mappingOf(by string, lists ...[]string) []byte {
	parts := []string{"jali cohort entries 1", by}
	if len(lists) > 1 {
		parts[0] = "jali cohort cells 1"
		for _, list := range lists {
			parts = append(parts, strconv.Itoa(len(list)))
		}
	}
	h := sha256.New()
	for _, part := range slices.Concat(append([][]string{parts}, lists...)...) {
		var n [8]byte
		for i := range n {
			n[i] = byte(len(part) >> (8 * i))
		}
		h.Write(n[:])
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}
