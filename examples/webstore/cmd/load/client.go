//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// connection is one to the shop, which carries a request at a time. net/http's client
// would cost more than the shop's server, and the two share a machine.
type connection struct {
	net.Conn
	reader *bufio.Reader
	buffer []byte
}

func dial(address string) (*connection, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: c, reader: bufio.NewReaderSize(c, 64<<10)}, nil
}

// request is what a shopper asks.
type request struct {
	method, path, body string
	token, key         string
	address            string // of the shopper
}

// ask sends a request and returns the answer's status and body, which is valid until
// the next request.
func (c *connection) ask(q request) (status int, body []byte, err error) {
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, nil, err
	}
	b := c.buffer[:0]
	b = fmt.Appendf(b, "%s %s HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: %s\r\n", q.method, q.path, q.address)
	if q.token != "" {
		b = fmt.Appendf(b, "Authorization: Bearer %s\r\n", q.token)
	}
	if q.key != "" {
		b = fmt.Appendf(b, "Idempotency-Key: %s\r\n", q.key)
	}
	if q.body != "" {
		b = fmt.Appendf(b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(q.body))
	}
	b = append(append(b, "\r\n"...), q.body...)
	c.buffer = b
	if _, err := c.Write(b); err != nil {
		return 0, nil, err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, nil, err
	}
	var read bytes.Buffer
	_, err = io.Copy(&read, response.Body)
	response.Body.Close()
	return response.StatusCode, read.Bytes(), err
}

// forwarded is the address of a shopper, one of 10.0.0.0/8.
func forwarded(n int) string {
	return "10." + strconv.Itoa(n>>16&255) + "." + strconv.Itoa(n>>8&255) + "." + strconv.Itoa(n&255)
}
