package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"strings"
)

// relay listens on the host and passes TCP connections on into the cluster's network namespace, so that node ports
// are reachable on a loopback address without one firewall rule or sysctl on the host. Each argument is LISTEN=TARGET.
func relay(args []string) error {
	failed := make(chan error)
	for _, arg := range args {
		listen, target, found := strings.Cut(arg, "=")
		if !found {
			return fmt.Errorf("%q: want LISTEN=TARGET", arg)
		}
		listener, err := net.Listen("tcp", listen)
		if err != nil {
			return err
		}
		go func() { failed <- accept(listener, target) }()
	}
	return <-failed
}

func accept(listener net.Listener, target string) error {
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go pass(client.(*net.TCPConn), target)
	}
}

func pass(client *net.TCPConn, target string) {
	defer client.Close()
	dialed, err := net.Dial("tcp", target)
	if err != nil {
		log.Printf("%s: %v", client.LocalAddr(), err)
		return
	}
	server := dialed.(*net.TCPConn)
	defer server.Close()
	answered := make(chan struct{})
	go func() {
		io.Copy(client, server)
		client.CloseWrite()
		close(answered)
	}()
	io.Copy(server, client)
	server.CloseWrite()
	<-answered
}
