package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"jali/audit"
	"jali/audit/store"
	"jali/gateway/identity"
	"jali/gateway/protect"
)

// Answer takes one question from an authenticated caller to a protected, recorded answer. It reads like
// docs/life-of-a-query.md: steps 1 (receive) and 2 (authenticate) lie behind the caller, in gateway/rpc and
// gateway/identity. Until step 6 every refusal is computed without data, says what to do next, costs nothing, and is on
// the record before the caller hears it. From step 6 on the charge stands whatever happens, and the caller hears one
// constant error.
func (g *Gateway) Answer(ctx context.Context, who identity.Principal, req Request) (Answer, error) {
	// 3. plan: text -> Plan, against agreement and catalogue.
	ask, refusal := g.plan(who, req)
	if refusal != nil {
		return Answer{}, g.refuse(ctx, ask, refusal)
	}

	// 4. price: the accuracy asked for -> rho, or the price a quote has bound.
	if refusal := g.price(ask); refusal != nil {
		return Answer{}, g.refuse(ctx, ask, refusal)
	}

	// The hourly rate counts this question from here, so that many at once cannot all see a low count.
	defer g.rates.reserve(ask, g.now())()

	// 5. authorise: OPA decides on names, price and clock; undefined means deny.
	if refusal := g.authorise(ctx, ask); refusal != nil {
		return Answer{}, g.refuse(ctx, ask, refusal)
	}
	if refusal := g.bind(ask); refusal != nil {
		return Answer{}, g.refuse(ctx, ask, refusal)
	}

	// The same question on the same data under the same agreement has been paid for: its stored answer comes again,
	// free. One such question runs at a time, so that a second one waits for the answer instead of paying for another.
	unlock, err := g.flight.lock(ctx, ask.key)
	if err != nil {
		return Answer{}, g.refuse(ctx, ask, &Refusal{Code: Unavailable, Message: "gave up while the same question was being answered", Hint: "ask again: if it was answered, the answer is stored and free"})
	}
	defer unlock()
	if answer, found, err := g.replay(ctx, ask); found || err != nil {
		return answer, err
	}

	// What could not leave is not charged.
	if refusal := g.witnesses.admits(ask.data.catalog.Level); refusal != nil {
		return Answer{}, g.refuse(ctx, ask, refusal)
	}
	if !ask.data.engine.Ready() {
		return Answer{}, g.refuse(ctx, ask, asleep())
	}

	// Mode sdc: when too many questions of an agreement were not released, a person looks before the next is charged.
	settle, refusal := ask.fly()
	if refusal != nil {
		return Answer{}, g.refuse(ctx, ask, refusal)
	}
	defer settle()

	// The caller may go away from here on; the question it has paid for is answered and stored all the same.
	ctx = context.WithoutCancel(ctx)

	// 6. commit: charge both ledgers and append the intent, in one transaction.
	intent, refusal := g.commit(ctx, ask)
	switch {
	case refusal != nil && refusal.Decision == 0:
		return Answer{}, g.refuse(ctx, ask, refusal)
	case refusal != nil: // the writer has put the REFUSED entry in the intent's place
		return Answer{}, refusal
	}

	// The answer leaves at the end of a slot chosen from the plan's shape, not from how long the data took.
	slot, release := g.slots.take(ask)
	defer release()

	// 7. execute: the engine's exact integers, sealed.
	raw, err := safely(func() (protect.Raw, error) { return g.execute(ctx, ask, slot) })
	if err != nil {
		return Answer{}, g.fail(ctx, ask, intent, slot, err)
	}

	// 8. protect: noise, suppression, derived numbers; in mode sdc the rules and the memory.
	released, err := safely(func() (protect.Released, error) { return ask.protect(raw) })
	if err != nil {
		return Answer{}, g.fail(ctx, ask, intent, slot, err)
	}
	result := protect.Encode(released)
	if !slot.wait() {
		return Answer{}, g.fail(ctx, ask, intent, slot, errSlotMissed)
	}

	// 9. record: no record, no answer.
	recorded, err := g.record(ctx, ask, intent, released, result)
	if err != nil {
		return Answer{}, noAnswer(intent.Seq)
	}

	// 10. respond: the answer with its receipt, at level 2 after witnesses have cosigned the record of it.
	release()
	if refusal := g.hold(ctx, ask.data.catalog.Level, recorded.Seq); refusal != nil {
		refusal.Decision = intent.Seq
		return Answer{}, refusal
	}
	return g.respond(ask, intent.Seq, recorded.Seq, released, result, false)
}

// commit charges both ledgers and appends the INTENT in one transaction of the audit writer (audit/store). When a ledger
// cannot pay, or a pin (agreement version, policy bundle, data version) changed since the decision, the writer puts a
// REFUSED entry in its place and charges nothing. A crash before the commit leaves no charge and no entry; after it, both,
// and the next start writes INTERRUPTED.
func (g *Gateway) commit(ctx context.Context, ask *ask) (store.Appended, *Refusal) {
	if !ask.grant.Valid(g.now()) {
		return store.Appended{}, &Refusal{Code: QuoteStale, Message: "the decision expired before the charge", Hint: "ask again"}
	}
	appended, err := g.log.Append(ctx, ask.intent())
	var twice *store.DuplicateError
	if errors.As(err, &twice) {
		return store.Appended{}, &Refusal{
			Code:    Unavailable,
			Message: "the same request id is being answered for another question", Hint: "use a fresh request id for each question",
		}
	}
	if err != nil {
		return store.Appended{}, g.unrecorded(err)
	}
	switch appended.Refused {
	case "":
		g.rates.charge(ask, g.now())
		return appended, nil
	case store.RefusedStale:
		return appended, &Refusal{
			Code: QuoteStale, Decision: appended.Seq,
			Message: "the agreement, the policy or the data version changed while the question was decided",
			Hint:    "ask for a new quote",
		}
	default:
		return appended, g.overBudget(ask, appended.Over, appended.Seq)
	}
}

// execute runs the plan within the slot. The key for choosing groups is fresh: the same groups are not lost every time.
func (g *Gateway) execute(ctx context.Context, ask *ask, slot *slot) (protect.Raw, error) {
	ctx, cancel := context.WithDeadline(ctx, slot.deadline())
	defer cancel()
	if ask.control != nil {
		return ask.data.engine.RunMembers(ctx, ask.plan)
	}
	key, err := freshKey()
	if err != nil {
		return protect.Raw{}, err
	}
	return ask.data.engine.Run(ctx, ask.plan, key)
}

// errPanic stands for a panic of a step: its text may quote values, so nothing of it is kept.
var errPanic = errors.New("panic")

// safely turns a panic of a step after the charge into an error: the intent gets its outcome, and the process goes on.
func safely[T any](step func() (T, error)) (out T, err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	return step()
}

// record appends the RELEASE with the stored result, durable before anything is answered. In mode sdc what it tells is durable
// before that.
func (g *Gateway) record(ctx context.Context, ask *ask, intent store.Appended, released protect.Released, result []byte) (store.Appended, error) {
	appended, err := ask.control.remember(ask.data.catalog.Population, func(told []store.Pin) (store.Appended, error) {
		return g.log.Append(ctx, store.Item{
			Kind:    audit.Release,
			Ref:     &intent.Seq,
			Fields:  audit.Object{"lvl": int64(ask.data.catalog.Level), "mech": ask.mechanism()},
			Details: []audit.Detail{audit.ResultDetail(result, ask.resultType()), {Name: "protect", Value: ask.protection()}},
			Subject: ask.agreement.ID,
			Class:   ask.data.catalog.Class,
			Result:  result,
			Active:  told,
		})
	})
	if err != nil {
		g.operator.Error("release not recorded, answer withheld", "intent", intent.Seq, "err", err)
		return appended, fmt.Errorf("append release: %w", err)
	}
	return appended, nil
}

// respond gives the answer with a receipt that anyone can check against the log's key.
func (g *Gateway) respond(ask *ask, intent, release uint64, released protect.Released, result []byte, replayed bool) (Answer, error) {
	text, err := g.receipt(intent, release)
	if err != nil {
		g.operator.Error("build receipt", "intent", intent, "err", err)
		return Answer{}, noAnswer(intent)
	}
	view, err := protect.Arranged(released, ask.arrange, ask.columns)
	if err != nil {
		g.operator.Error("arrange answer", "intent", intent, "err", err)
		return Answer{}, noAnswer(intent)
	}
	answer := Answer{
		Released: released,
		View:     view,
		Result:   result,
		Price:    ask.cost,
		Budget:   g.visible(ask),
		Replayed: replayed,
		Label:    released.Label,
		Receipt:  text,
		Decision: intent,
		SlotOff:  !ask.data.slotted(),
		Notes:    ask.caps(),
	}
	if err := ask.derive(&answer); err != nil {
		g.operator.Error("derive answer", "intent", intent, "err", causeOf(err))
		return Answer{}, noAnswer(intent)
	}
	return answer, nil
}

// fail records that a charged question has no answer, at the end of its slot, and returns the one constant error, or that of
// mode sdc when its rules let nothing out. The cause is an operator's matter; it is logged without values.
func (g *Gateway) fail(ctx context.Context, ask *ask, intent store.Appended, slot *slot, cause error) error {
	slot.wait()
	g.operator.Error("no answer", "intent", intent.Seq, "cause", causeOf(cause))
	record := func(told []store.Pin) error {
		_, err := g.log.Append(ctx, store.Item{
			Kind:    audit.Failure,
			Ref:     &intent.Seq,
			Details: []audit.Detail{{Name: "cause", Value: causeOf(cause)}},
			Subject: ask.agreement.ID,
			Class:   ask.data.catalog.Class,
			Active:  told,
		})
		return err
	}
	var err error
	withheld := ask.control != nil && isNotReleased(cause)
	if withheld {
		err = ask.control.refuse(ask, intent.Seq, record)
	} else {
		err = record(nil)
	}
	if err != nil {
		g.operator.Error("failure not recorded", "intent", intent.Seq, "err", err)
		return noAnswer(intent.Seq)
	}
	if withheld {
		return notReleased(intent.Seq)
	}
	return noAnswer(intent.Seq)
}

func (g *Gateway) now() time.Time { return g.cfg.Now() }
