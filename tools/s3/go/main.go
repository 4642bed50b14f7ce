// A second S3 for tests of the object store's adapter, with habits that the embedded one lacks: it takes only signatures
// for its own region, and only requests that name their bucket in the host.
package main

import (
	"context"
	"encoding/xml"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"
)

type refusal struct {
	XMLName xml.Name `xml:"Error"`
	Code    string
	Message string
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if err := xml.NewEncoder(w).Encode(refusal{Code: code, Message: message}); err != nil {
		log.Print(err)
	}
}

// region is that of the credential in an Authorization header: AWS4-HMAC-SHA256 Credential=key/date/region/s3/aws4_request, ….
func region(authorization string) string {
	_, credential, _ := strings.Cut(authorization, "Credential=")
	scope := strings.Split(strings.SplitN(credential, ",", 2)[0], "/")
	if len(scope) != 5 {
		return ""
	}
	return scope[2]
}

// backend lists as S3 does for a client that sends an empty delimiter: as for one that sends none.
type backend struct{ *s3mem.Backend }

func (b backend) ListBucket(
	ctx context.Context, name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage,
) (*gofakes3.ObjectList, error) {
	if prefix != nil && prefix.Delimiter == "" {
		plain := *prefix
		plain.HasDelimiter = false
		prefix = &plain
	}
	return b.Backend.ListBucket(ctx, name, prefix, page)
}

func strict(domain, own string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !strings.HasSuffix(host, "."+domain) {
			refuse(w, http.StatusMovedPermanently, "PermanentRedirect", "name the bucket in the host: bucket."+domain)
			return
		}
		if given := region(r.Header.Get("Authorization")); given != own {
			message := fmt.Sprintf("the region '%s' is wrong; expecting '%s'", given, own)
			refuse(w, http.StatusBadRequest, "AuthorizationHeaderMalformed", message)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func main() {
	address := flag.String("address", "127.0.0.1:9000", "host:port to listen on")
	domain := flag.String("domain", "s3.test", "domain of the buckets")
	own := flag.String("region", "eu-central-1", "the only region whose signatures are taken")
	bucket := flag.String("bucket", "homeostat", "bucket that exists from the start")
	access := flag.String("access-key", "key", "access key")
	secret := flag.String("secret-key", "secret", "secret key")
	flag.Parse()

	objects := backend{s3mem.New()}
	if err := objects.CreateBucket(context.Background(), *bucket); err != nil {
		log.Fatal(err)
	}
	keys := map[string]string{*access: *secret}
	server := gofakes3.New(objects, gofakes3.WithHostBucket(true), gofakes3.WithV4Auth(keys)).Server()
	log.Fatal(http.ListenAndServe(*address, strict(*domain, *own, server)))
}
