// A gRPC client that calls /fraud.Model/Score of TARGET, RATE times a second, whether or not the calls before have
// ended: `call TARGET RATE`. It says the same as ../python/call.py, and is told the same: no call waits for a channel that is
// not ready, and none is tried again by us.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	_ "google.golang.org/grpc/xds"
)

const method = "/fraud.Model/Score"

// Longer than anything that a test waits for: a call that takes so long has failed.
const timeout = 30 * time.Second

// What is sent and answered, as it stands on the wire.
type bytes struct{}

func (bytes) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }

func (bytes) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = append([]byte(nil), data...)
	return nil
}

func (bytes) Name() string { return "bytes" }

// One line at a time, whoever has something to say.
type lines struct {
	sync.Mutex
	out *json.Encoder
}

func (l *lines) say(line map[string]string) {
	l.Lock()
	defer l.Unlock()
	if err := l.out.Encode(line); err != nil {
		panic(err)
	}
}

func main() {
	if len(os.Args) != 3 {
		panic("call TARGET RATE")
	}
	rate, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil {
		panic(err)
	}
	// Retries would hide what is lost.
	channel, err := grpc.NewClient(
		os.Args[1],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(bytes{})),
		grpc.WithDisableRetry(),
	)
	if err != nil {
		panic(err)
	}
	said := &lines{out: json.NewEncoder(os.Stdout)}
	var during atomic.Value
	during.Store("start")
	stop := make(chan struct{})
	go func() {
		stdin := bufio.NewScanner(os.Stdin)
		for stdin.Scan() {
			during.Store(stdin.Text())
			said.say(map[string]string{"began": stdin.Text()})
		}
		close(stop)
	}()

	var open sync.WaitGroup
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	for {
		select {
		case <-stop:
			open.Wait()
			return
		case <-tick.C:
			line := map[string]string{"during": during.Load().(string)}
			open.Go(func() {
				call(channel, line)
				line["until"] = during.Load().(string)
				said.say(line)
			})
		}
	}
}

// Calls once, and enters what came of it.
func call(channel *grpc.ClientConn, line map[string]string) {
	ends, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var request, answer []byte
	if err := channel.Invoke(ends, method, &request, &answer); err != nil {
		failed := status.Convert(err)
		line["error"] = fmt.Sprintf("%v: %s", failed.Code(), failed.Message())
		return
	}
	line["answer"] = string(answer)
}
