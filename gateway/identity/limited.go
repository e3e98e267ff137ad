package identity

import (
	"errors"
	"io"
	"net/http"
)

// errLong: the provider's answer is longer than anything a provider has to say.
var errLong = errors.New("the provider's answer is too long")

// limited bounds every answer of the provider, as it is after decompression: the library that reads its discovery document reads all there is.
type limited struct{ http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = &limitedBody{response.Body, maxAnswer}
	}
	return response, err
}

// limitedBody fails beyond its end, where io.LimitReader would make a cut answer look whole.
type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errLong
	}
	return n, err
}
