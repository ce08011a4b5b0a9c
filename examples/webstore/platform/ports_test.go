//go:build unix

package platform_test

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/otelkit/kit/examples/webstore/platform"
)

func atoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPort0BecomesAFreePortForEach(t *testing.T) {
	fixed := closedPort(t)
	addrs, err := platform.CheckPorts(
		platform.Port{Service: "main", Addr: fixed},
		platform.Port{Service: "payments", Addr: "127.0.0.1:0"},
		platform.Port{Service: "promotions", Addr: "127.0.0.1:0"},
	)
	if err != nil {
		t.Fatal(err)
	}
	if addrs[0] != fixed {
		t.Errorf("%s became %s", fixed, addrs[0])
	}
	seen := map[string]bool{}
	for _, addr := range addrs {
		listener, err := net.Listen("tcp", addr)
		if err != nil || seen[addr] {
			t.Fatalf("%s is not free (%v)", addr, err)
		}
		listener.Close()
		seen[addr] = true
	}
}

func TestAPortThatIsTakenNamesServiceFlagAndProcess(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, number, _ := net.SplitHostPort(listener.Addr().String())
	_, err = platform.CheckPorts(platform.Port{Service: "main", Flag: "--main-addr", Addr: listener.Addr().String()})
	who := "another process"
	if runtime.GOOS == "linux" {
		who = fmt.Sprintf("process %d (platform.test)", os.Getpid())
	}
	wantError(t, err, "port "+number+" (main) is taken by "+who+"; stop it or pass --main-addr")
}

func TestAnAddressThatCannotBeListenedOnIsExplained(t *testing.T) {
	free := closedPort(t)
	for addr, want := range map[string]string{
		"8000":            "no address to listen on",
		"127.0.0.1:99999": "no address to listen on",
		"192.0.2.1:8000":  "no address of this machine",
		"host.invalid:1":  "no address of this machine",
	} {
		_, err := platform.CheckPorts(platform.Port{Service: "main", Flag: "--main-addr", Addr: addr})
		wantError(t, err, addr, "(main)", want, "pass --main-addr")
	}
	_, err := platform.CheckPorts(
		platform.Port{Service: "main", Flag: "--main-addr", Addr: free},
		platform.Port{Service: "payments", Flag: "--payments-addr", Addr: free},
	)
	wantError(t, err, free, "both main and payments", "--main-addr or --payments-addr")
}
