package server

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"
)

// letter is an answer that is not sent yet.
type letter struct {
	header http.Header
	code   int
	body   bytes.Buffer
	whole  bytes.Buffer
	last   bool // the connection ends with it
}

// Header is the answer's.
func (l *letter) Header() http.Header { return l.header }

// WriteHeader notes the status.
func (l *letter) WriteHeader(code int) { l.code = code }

// Write adds to the body.
func (l *letter) Write(data []byte) (int, error) { return l.body.Write(data) }

// clear makes it an empty one.
func (l *letter) clear() {
	clear(l.header)
	l.code, l.last = 0, false
	l.body.Reset()
	l.whole.Reset()
}

// text is the answer as it goes over the wire.
func (l *letter) text() []byte {
	l.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	answer := http.Response{
		StatusCode: l.code, ProtoMajor: 1, ProtoMinor: 1, Header: l.header, Close: l.last,
		ContentLength: int64(l.body.Len()), Body: io.NopCloser(&l.body),
	}
	_ = answer.Write(&l.whole) // a buffer takes everything
	return l.whole.Bytes()
}

// returned is a connection that went back to net/http, with what was read of it before.
type returned struct {
	net.Conn
	said   []byte // what was
	before []byte // what of it is to be read again
	more   bool   // more was read than that
}

// returnedTLS is one of TLS: net/http asks it for its state as it asks a *tls.Conn.
type returnedTLS struct {
	*returned
	secure *tls.Conn
}

// ConnectionState is that of the connection below.
func (r returnedTLS) ConnectionState() tls.ConnectionState { return r.secure.ConnectionState() }

// wentBack is implemented by both.
type wentBack interface{ back() *returned }

func (r *returned) back() *returned { return r }

// Read gives first what was read before.
func (r *returned) Read(into []byte) (n int, err error) {
	if len(r.before) > 0 {
		n = copy(into, r.before)
		r.before = r.before[n:]
		return n, nil
	}
	n, err = r.Conn.Read(into)
	r.more = r.more || n > 0
	return n, err
}

// goBack is a connection as net/http gets it.
func goBack(conn net.Conn, said []byte) net.Conn {
	if len(said) == 0 {
		return conn
	}
	r := &returned{Conn: conn, said: said, before: said}
	if secure, is := conn.(*tls.Conn); is {
		return returnedTLS{r, secure}
	}
	return r
}
