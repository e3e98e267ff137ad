package console

import (
	"embed"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"jali/gateway"
	"jali/gateway/identity"
)

// Prefix is where the console lies, Callback where an identity provider sends browsers back to.
const (
	Prefix   = "/console/"
	Callback = Prefix + "callback"
)

//go:embed all:dist
var built embed.FS

// policy of everything below Prefix: code and styles from here only, no inline code, no eval but of WebAssembly, nothing framed, no forms.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; worker-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler serves what lies below Prefix.
type Handler struct {
	sessions *Sessions
	flows    *flows
	gateway  *gateway.Gateway
	operator *slog.Logger
	faults   rate.Sometimes // lines of the operator's log that strangers can cause
	files    fs.FS
}

// NewHandler serves the console that was built into this program. The operator is told when the identity provider fails; nil: nobody is.
func NewHandler(g *gateway.Gateway, s *Sessions, operator *slog.Logger) *Handler {
	files, err := fs.Sub(built, "dist")
	if err != nil {
		panic(err) // the name is a constant
	}
	if operator == nil {
		operator = slog.New(slog.DiscardHandler)
	}
	return &Handler{sessions: s, flows: newFlows(), gateway: g, operator: operator, faults: rate.Sometimes{First: 3, Interval: 10 * time.Second}, files: files}
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", policy)
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	switch name := strings.TrimPrefix(r.URL.Path, Prefix); name {
	case "session":
		h.session(w, r)
	case "link":
		h.link(w, r)
	case "signin":
		h.toProvider(w, r)
	case "callback":
		h.fromProvider(w, r)
	default:
		h.file(w, r, name)
	}
}

// person is who is signed in, for the page to show. It holds no secret.
type person struct {
	Name  string        `json:"name"`
	Org   string        `json:"org"`
	Role  identity.Role `json:"role"`
	How   string        `json:"how"` // certificate, link or provider
	Until time.Time     `json:"until"`
}

// session tells who is signed in (GET), signs in with a one-time code (POST) or out (DELETE).
func (h *Handler) session(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		h.who(w, r)
	case http.MethodPost:
		h.signIn(w, r)
	case http.MethodDelete:
		h.signOut(w, r)
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		say(w, http.StatusMethodNotAllowed, "method not allowed")
	}
}

func (h *Handler) who(w http.ResponseWriter, r *http.Request) {
	p, how, until, err := h.caller(r)
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		json.NewEncoder(w).Encode(nobody{"nobody is signed in", h.provider()})
		return
	}
	reply(w, person{p.Name, p.Org, p.Role, how, until.UTC()})
}

// nobody is what a browser is told that is not signed in. Provider is the name of the identity provider, if people can sign in there.
type nobody struct {
	Message  string `json:"message"`
	Provider string `json:"provider,omitempty"`
}

// caller names who asks: by a certificate of the connection's own, or by the session.
func (h *Handler) caller(r *http.Request) (p identity.Principal, how string, until time.Time, err error) {
	if r.TLS == nil {
		return p, "", until, identity.ErrNoPrincipal
	}
	if len(r.TLS.VerifiedChains) > 0 {
		p, err = h.sessions.trust.Certificate(*r.TLS)
		return p, "certificate", r.TLS.VerifiedChains[0][0].NotAfter, err
	}
	found, until := h.sessions.find(r)
	switch {
	case found == nil:
		return p, "", until, identity.ErrNoPrincipal
	case found.token != nil:
		p, err = h.sessions.trust.Bearer(r.Context(), found.token())
		return p, "provider", until, err
	}
	p, err = h.sessions.trust.Certificate(found.state)
	return p, "link", until, err
}

// Bounds on what a browser sends to sign in.
const (
	maxBody  = 1 << 10
	bodyTime = 10 * time.Second
)

func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Code string `json:"code"`
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)); err != nil {
		say(w, http.StatusServiceUnavailable, "try again later")
		return
	}
	// Only JSON: a form of another site cannot send it.
	if r.Header.Get("Content-Type") != "application/json" || json.NewDecoder(io.LimitReader(r.Body, maxBody)).Decode(&in) != nil {
		say(w, http.StatusBadRequest, "send the code as JSON")
		return
	}
	from := addressOf(r)
	token, err := h.sessions.Redeem(in.Code, func(who identity.Principal) error { return h.gateway.SignedIn(r.Context(), who, from) })
	switch {
	case errors.Is(err, ErrCode), errors.Is(err, identity.ErrNoPrincipal):
		if err := h.gateway.SignInFailed(r.Context(), from); err != nil {
			say(w, http.StatusServiceUnavailable, "not recorded, so not done: try again later")
			return
		}
		say(w, http.StatusForbidden, ErrCode.Error())
	case err != nil:
		say(w, http.StatusServiceUnavailable, "not recorded, so not done: try again later")
	default:
		h.sessions.End(r) // what was signed in here before
		setCookie(w, cookie, token, SessionLife, http.SameSiteStrictMode)
		w.WriteHeader(http.StatusNoContent)
	}
}

// link gives the holder of a client certificate a one-time code. A session does not suffice: it would renew itself for ever.
func (h *Handler) link(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		say(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	if r.TLS == nil {
		say(w, http.StatusUnauthorized, "present a client certificate")
		return
	}
	text, expires, err := h.sessions.Offer(*r.TLS)
	if err != nil {
		say(w, http.StatusUnauthorized, "present a client certificate")
		return
	}
	reply(w, struct {
		// Path is to be opened in a browser. The code stands after #, where no server and no log sees it.
		Path    string    `json:"path"`
		Expires time.Time `json:"expires"`
	}{Prefix + "#code=" + text, expires.UTC()})
}

// setCookie gives the browser a cookie for so long; zero takes it back.
func setCookie(w http.ResponseWriter, name, value string, life time.Duration, site http.SameSite) {
	age := -1
	if life > 0 {
		age = max(1, int(life.Seconds()))
	}
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: site})
}

func addressOf(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr()
}

// kinds are the types of the files that are built. Others are not served.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".wasm": "application/wasm", ".svg": "image/svg+xml", ".json": "application/json",
}

// file serves a file of the build, compressed beforehand where the browser takes it. Names below assets/ hold a digest of their content and may be kept.
func (h *Handler) file(w http.ResponseWriter, r *http.Request, name string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		say(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	if name == "" {
		name = "index.html"
	}
	kind := kinds[path.Ext(name)]
	if kind == "" || !fs.ValidPath(name) {
		say(w, http.StatusNotFound, "no such page")
		return
	}
	body, encoding, err := h.read(name, r.Header.Get("Accept-Encoding"))
	switch {
	case errors.Is(err, errEncoding):
		say(w, http.StatusNotAcceptable, "this file is there as br only")
		return
	case err != nil && name == "index.html":
		say(w, http.StatusNotFound, "the console is not in this program: build it with make build")
		return
	case err != nil:
		say(w, http.StatusNotFound, "no such page")
		return
	}
	head := w.Header()
	head.Set("Content-Type", kind)
	head.Set("Vary", "Accept-Encoding")
	head.Set("Content-Length", strconv.Itoa(len(body)))
	if encoding != "" {
		head.Set("Content-Encoding", encoding)
	}
	if strings.HasPrefix(name, "assets/") {
		head.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		head.Set("Cache-Control", "no-cache")
	}
	if r.Method == http.MethodGet {
		w.Write(body) // a browser that has gone away is no failure of ours
	}
}

var errEncoding = errors.New("not in an encoding that is accepted")

func (h *Handler) read(name, accept string) (body []byte, encoding string, err error) {
	if accepts(accept, "br") {
		if body, err = fs.ReadFile(h.files, name+".br"); err == nil {
			return body, "br", nil
		}
	}
	body, err = fs.ReadFile(h.files, name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, e := fs.Stat(h.files, name+".br"); e == nil {
			return nil, "", errEncoding
		}
	}
	return body, "", err
}

// accepts reports whether an encoding is listed and not refused by q=0.
func accepts(header, encoding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(name) == encoding {
			q := strings.TrimSpace(quality)
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"message": text})
}
