// origin: an HTTP/2 server without TLS that answers as the request's `x-script` header says, or 64 KiB of text where there
// is none. It knows nothing of gRPC: what stands in a head, a body and trailers is the script's alone, so that a test can
// say what must come out at the other end of a proxy.
//
// Prints `origin started at: 127.0.0.1:PORT` when it listens.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
)

// Fields are in the order of the script; the same name may come more than once.
type script struct {
	Head     [][2]string // of the response
	Early    bool        // the head leaves before the request is read
	Messages []int       // sizes of gRPC messages, of bytes that differ
	Trailers [][2]string // with neither messages nor `early`, they end the head: a trailers-only response
	Echo     bool        // the request's body is the response's
	Digest   bool        // trailers `x-bytes` and `x-sha256` are of the request's body
	Heard    bool        // trailer `x-heard` has the request's head
	Reset    bool        // RST_STREAM after the messages, in place of trailers
}

func message(size int) []byte {
	out := make([]byte, 5+size)
	out[1], out[2], out[3], out[4] = byte(size>>24), byte(size>>16), byte(size>>8), byte(size)
	for i := range size {
		out[5+i] = byte(i*7 + i>>8)
	}
	return out
}

func perform(w http.ResponseWriter, r *http.Request, s script) {
	head := w.Header()
	for _, field := range s.Head {
		head.Add(field[0], field[1])
	}
	isTrailersOnly := len(s.Messages) == 0 && !s.Early && !s.Echo && !s.Digest
	if s.Early {
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
	}
	digest := sha256.New()
	var echo bytes.Buffer
	into := io.Writer(digest)
	if s.Echo {
		into = io.MultiWriter(digest, &echo)
	}
	size, err := io.Copy(into, r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	prefix := http.TrailerPrefix
	if isTrailersOnly {
		prefix = ""
	}
	for _, size := range s.Messages {
		w.Write(message(size))
	}
	if s.Echo {
		w.Write(echo.Bytes())
	}
	if s.Reset {
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	if s.Digest {
		head.Add(prefix+"x-bytes", fmt.Sprint(size))
		head.Add(prefix+"x-sha256", hex.EncodeToString(digest.Sum(nil)))
	}
	if s.Heard {
		heard, _ := json.Marshal(r.Header)
		head.Add(prefix+"x-heard", string(heard))
	}
	for _, field := range s.Trailers {
		head.Add(prefix+field[0], field[1])
	}
}

func serve(w http.ResponseWriter, r *http.Request) {
	text := r.Header.Get("x-script")
	if text == "" {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("content-type", "text/plain")
		w.Write(bytes.Repeat([]byte("0123456789abcde\n"), 4096))
		return
	}
	var s script
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	perform(w, r, s)
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	protocols.SetHTTP1(true)
	server := http.Server{
		Handler:        http.HandlerFunc(serve),
		Protocols:      protocols,
		MaxHeaderBytes: 1 << 20,
		ErrorLog:       log.New(io.Discard, "", 0),
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: 1000},
	}
	fmt.Println("origin started at:", listener.Addr())
	os.Stdout.Sync()
	log.Fatal(server.Serve(listener))
}
