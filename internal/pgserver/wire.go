//go:build unix

package pgserver

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// The two things that a launcher asks of its server (are you there, and create
// this database) need so little of PostgreSQL's protocol that a driver would be
// the larger part of this package.

// sqlError is the server's answer to a statement or a login that it refused.
type sqlError struct {
	code    string // SQLSTATE
	message string
}

func (e *sqlError) Error() string { return e.message }

const duplicateDatabase = "42P04"

// execute logs in to the database postgres and runs one statement. An empty
// statement only asks whether the server takes logins.
func execute(ctx context.Context, socket, statement string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	const protocol3 = 3 << 16
	login := binary.BigEndian.AppendUint32(nil, protocol3)
	login = append(login, "user\x00"+superuser+"\x00database\x00postgres\x00\x00"...)
	if err := send(conn, login); err != nil {
		return err
	}
	if err := awaitReady(conn); err != nil || statement == "" {
		return err
	}
	if _, err := conn.Write([]byte{'Q'}); err != nil {
		return err
	}
	if err := send(conn, append([]byte(statement), 0)); err != nil {
		return err
	}
	return awaitReady(conn)
}

// send writes a message body after its length, which counts itself.
func send(w io.Writer, body []byte) error {
	message := binary.BigEndian.AppendUint32(nil, uint32(4+len(body)))
	_, err := w.Write(append(message, body...))
	return err
}

// awaitReady reads messages until the server is ready for a statement, and
// returns the error that it reported on the way.
func awaitReady(r io.Reader) error {
	var refused error
	for {
		var header [5]byte
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return cmp.Or(refused, err)
		}
		length := binary.BigEndian.Uint32(header[1:])
		if length < 4 || length > 1<<20 {
			return fmt.Errorf("message of %d bytes", length)
		}
		body := make([]byte, length-4)
		if _, err := io.ReadFull(r, body); err != nil {
			return cmp.Or(refused, err)
		}
		switch header[0] {
		case 'Z': // ready for query
			return refused
		case 'E':
			refused = parseError(body)
		case 'R': // authentication: 0 is "you are in"
			if !bytes.Equal(body, make([]byte, 4)) {
				return errors.New("the server asks for a password")
			}
		}
	}
}

// parseError reads the fields of an error message: a letter and a string each.
func parseError(body []byte) *sqlError {
	e := &sqlError{message: "unknown error"}
	for field := range bytes.SplitSeq(body, []byte{0}) {
		if len(field) == 0 {
			continue
		}
		switch value := string(field[1:]); field[0] {
		case 'C':
			e.code = value
		case 'M':
			e.message = value
		}
	}
	return e
}
