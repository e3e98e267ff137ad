package console

import (
	"errors"
	"net/http"
	"net/netip"

	"jali/gateway/identity"
)

// Why a sign-in at the identity provider came to nothing, as the page is told. It says the rest, with what to do next.
const (
	problemFlow     = "flow"     // not begun in this browser, too old, or used
	problemDenied   = "denied"   // the provider did not let somebody in
	problemPerson   = "person"   // the provider did, but whom it names is nobody here
	problemProvider = "provider" // it cannot be asked
	problemBusy     = "busy"     // too many sign-ins from one network
	problemServer   = "server"   // not recorded, so not done
)

// provider is the name of the identity provider at which people can sign in; "" where there is none.
func (h *Handler) provider() string {
	if in := h.sessions.trust.SignIn(); in != nil {
		return in.Name()
	}
	return ""
}

// toProvider sends the browser to the identity provider.
func (h *Handler) toProvider(w http.ResponseWriter, r *http.Request) {
	in := h.signInHere(w, r)
	if in == nil {
		return
	}
	// Another site must not begin it: somebody would be signed in without having meant to. Then they see the page, and can begin themselves.
	if elsewhere(r) {
		h.back(w, "", "")
		return
	}
	place := placeOf(r.URL.Query().Get("return"))
	var before []byte
	if name, ok := cookieOf(r); ok {
		before = name[:]
	}
	flow, cookie := h.flows.begin(in.ID(), place, before, h.sessions.now())
	address, err := in.Address(r.Context(), flow)
	if err != nil {
		h.fault(r, "nobody can sign in with a browser", err)
		h.back(w, problemProvider, place)
		return
	}
	for _, name := range surplus(r) {
		setCookie(w, name, "", 0, http.SameSiteLaxMode)
	}
	http.SetCookie(w, cookie)
	away(w, address)
}

// fromProvider takes the browser back from the identity provider, with its answer.
func (h *Handler) fromProvider(w http.ResponseWriter, r *http.Request) {
	in := h.signInHere(w, r)
	if in == nil {
		return
	}
	from := addressOf(r)
	flow, was, name, err := h.flows.finish(in.ID(), r, h.sessions.now())
	if name != "" {
		setCookie(w, name, "", 0, http.SameSiteLaxMode)
	}
	if err != nil {
		h.failed(w, r, err, was.place, from)
		return
	}
	access, who, until, err := in.Finish(r.Context(), flow, r.URL.Query())
	if err != nil {
		h.flows.release(flow)
		h.failed(w, r, err, was.place, from)
		return
	}
	token, err := h.sessions.Enter(in.ID(), access, who, until, func(who identity.Principal) error { return h.gateway.SignedIn(r.Context(), who, from) })
	if err != nil {
		h.back(w, problemServer, was.place)
		return
	}
	// What was signed in here before: when it began, and now, where the provider asked nothing and the browser shows it.
	h.sessions.end(was.before)
	h.sessions.End(r)
	// Strict all the same: this redirect belongs to another site's navigation and does not carry it, but the page's own requests do.
	setCookie(w, cookie, token, min(SessionLife, until.Sub(h.sessions.now())), http.SameSiteStrictMode)
	away(w, at(was.place))
}

// signInHere answers what cannot be a sign-in, and then returns nil.
func (h *Handler) signInHere(w http.ResponseWriter, r *http.Request) *identity.SignIn {
	in := h.sessions.trust.SignIn()
	switch {
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", "GET")
		say(w, http.StatusMethodNotAllowed, "method not allowed")
		return nil
	case in == nil:
		say(w, http.StatusNotFound, "nobody signs in here at an identity provider: ask the custodian for a client certificate")
		return nil
	}
	return in
}

// failed records a sign-in that was refused, and tells the page why. A provider that cannot be asked, and too many answers at once, refuse nobody: they are not on record.
func (h *Handler) failed(w http.ResponseWriter, r *http.Request, err error, place string, from netip.Addr) {
	problem := problemFlow
	switch {
	case errors.Is(err, identity.ErrProvider):
		h.fault(r, "a sign-in with a browser failed", err)
		h.back(w, problemProvider, place)
		return
	case errors.Is(err, errBusy):
		h.back(w, problemBusy, place)
		return
	case errors.Is(err, identity.ErrDenied):
		problem = problemDenied
	case errors.Is(err, identity.ErrNoPrincipal):
		problem = problemPerson
	}
	if err := h.gateway.SignInFailed(r.Context(), from); err != nil {
		problem = problemServer
	}
	h.back(w, problem, place)
}

// fault tells the operator that the provider fails. A browser that hung up while the provider was asked shows nothing of it, and would take the place of a line that does.
func (h *Handler) fault(r *http.Request, what string, err error) {
	if r.Context().Err() == nil {
		h.faults.Do(func() { h.operator.Error(what, "err", err) })
	}
}

// back shows the page, with a problem if there is one, and with the place to go on to.
func (h *Handler) back(w http.ResponseWriter, problem, place string) {
	if problem == "" {
		away(w, at(place))
		return
	}
	away(w, Prefix+"#problem="+problem+place)
}

// away is a redirect that nobody keeps, since the address may hold a state. The address is sent as it is: http.Redirect would tidy up what stands behind #.
func away(w http.ResponseWriter, address string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusSeeOther)
}

// signOut ends the session here, and tells where it ends at the provider.
func (h *Handler) signOut(w http.ResponseWriter, r *http.Request) {
	provided := h.sessions.End(r)
	setCookie(w, cookie, "", 0, http.SameSiteStrictMode)
	if in := h.sessions.trust.SignIn(); provided && in != nil {
		if next := in.SignOut(r.Context()); next != "" {
			reply(w, struct {
				// Continue is to be opened: the provider's own session goes on otherwise, and would open the next one here unasked.
				Continue string `json:"continue"`
			}{next})
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
