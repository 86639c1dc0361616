//go:build unix

package backend

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/seedbed/seedbed/core/plugins"
)

// tap stands between the host and a plugin. It speaks TLS with the host, as a
// plugin does, and plainly with the plugin, so that it sees the frames of HTTP/2
// (RFC 9113) that the plugin sends and can change them.
type tap struct {
	dir      string // holds the tap's socket and the file with the plugin's address
	listener net.Listener
	done     chan struct{}
	relays   sync.WaitGroup

	mu   sync.Mutex
	harm harm // nil before it is struck
}

// frame is a frame of HTTP/2.
type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

// Kinds of frames.
const (
	dataFrame    = 0
	resetFrame   = 3
	goAwayFrame  = 7
	creditsFrame = 8 // WINDOW_UPDATE
)

// harm makes something else of a frame of the plugin; ended says that nothing
// comes after it. It is called by one goroutine at a time.
type harm func(f frame) (out []frame, ended bool)

// through is a program of sh that starts a plugin without a certificate of the
// host, keeps its address and gives the host that of the tap.
const through = `dir=$1 cert=$2; shift 2; unset PLUGIN_CLIENT_CERT
"$@" | { IFS='|' read -r core app net address rest
printf '%s' "$address" > "$dir/plugin"
printf '%s|%s|unix|%s|grpc|%s\n' "$core" "$app" "$dir/tap" "$cert"
cat; }`

// newTap makes a tap and the command of the plugin behind it.
func newTap(spec plugins.Spec) (_ *tap, _ plugins.Spec, err error) {
	cert, err := certificate()
	if err != nil {
		return nil, spec, err
	}
	t := &tap{done: make(chan struct{})}
	if t.dir, err = os.MkdirTemp("", "tap"); err != nil {
		return nil, spec, err
	}
	if t.listener, err = tls.Listen("unix", filepath.Join(t.dir, "tap"), &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}}); err != nil {
		return nil, spec, errors.Join(err, os.RemoveAll(t.dir))
	}
	t.relays.Go(t.accept)
	spec.Command = append([]string{"/bin/sh", "-c", through, "sh", t.dir, base64.RawStdEncoding.EncodeToString(cert.Certificate[0])}, spec.Command...)
	return t, spec, nil
}

// certificate is that of a plugin, as go-plugin expects it.
func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// strike does harm from now on.
func (t *tap) strike(h harm) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.harm = h
}

// close ends what passes through, after the plugin's process.
func (t *tap) close() error {
	close(t.done)
	err := t.listener.Close()
	t.relays.Wait()
	return errors.Join(err, os.RemoveAll(t.dir))
}

func (t *tap) accept() {
	for {
		host, err := t.listener.Accept()
		if err != nil {
			return // closed
		}
		address, err := os.ReadFile(filepath.Join(t.dir, "plugin"))
		var plugin net.Conn
		if err == nil {
			plugin, err = (&net.Dialer{}).DialContext(context.Background(), "unix", string(address))
		}
		if err != nil {
			_ = host.Close() // the host says that nobody answers
			continue
		}
		t.relays.Go(func() {
			_, _ = io.Copy(plugin, host) // until one of them ends
			_ = plugin.Close()
		})
		t.relays.Go(func() {
			t.pass(host, plugin)
			_ = host.Close()
			_ = plugin.Close()
		})
	}
}

// pass hands on what the plugin says until one of them ends.
func (t *tap) pass(host io.Writer, plugin io.Reader) {
	for {
		var head [9]byte
		if _, err := io.ReadFull(plugin, head[:]); err != nil {
			return
		}
		f := frame{kind: head[3], flags: head[4], stream: binary.BigEndian.Uint32(head[5:])}
		f.payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(plugin, f.payload); err != nil {
			return
		}
		out, ended := []frame{f}, false
		t.mu.Lock()
		if t.harm != nil {
			out, ended = t.harm(f)
		}
		t.mu.Unlock()
		for _, f := range out {
			n := len(f.payload)
			b := append([]byte{byte(n >> 16), byte(n >> 8), byte(n), f.kind, f.flags}, 0, 0, 0, 0)
			binary.BigEndian.PutUint32(b[5:], f.stream)
			if _, err := host.Write(append(b, f.payload...)); err != nil {
				return
			}
		}
		if ended {
			return
		}
	}
}
