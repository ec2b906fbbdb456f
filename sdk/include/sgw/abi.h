/* The boundary between the gateway (the host) and a plugin: plain C, the only thing that both sides must agree on.
 *
 * Authors of C++ plugins never see it: they include <sgw/plugin.h>, which is written on top of it.
 *
 * The rules of the boundary:
 *
 *  - One symbol is exported by a plugin: `sgw_plugin_entry`. Everything else is reached through tables of functions.
 *  - Tables and structs begin with their `size` in bytes as the writer knew it. Members are only ever appended. A reader
 *    looks at a member only when `size` covers it (SGW_HAS); a member that is not covered has its documented default.
 *    sgw_view, sgw_views, sgw_pair, sgw_pairs, sgw_callback, sgw_failure, sgw_header_edits, sgw_metric_series,
 *    sgw_metric_family and sgw_text_sink have no `size`: they never grow.
 *  - A new major version may break these promises; a new minor version may only append.
 *  - A view is {pointer, length} of bytes that belong to whoever passed it and live until the function returns, unless
 *    the member says otherwise. Text is UTF-8 and not NUL-terminated. An empty view may have a null pointer.
 *  - Memory is freed by whoever allocated it. Handles are opaque and belong to whoever made them.
 *  - No exception and no C++ type crosses, in either direction.
 *  - Durations are milliseconds, points in time are nanoseconds: monotonic ones since an arbitrary start, wall ones since
 *    1970-01-01T00:00:00Z; 0 stands for "none".
 *
 * Threads, named at each function:
 *
 *  - worker:   one of the threads that move bytes. Calls of one instance come from many workers at once. Never wait here.
 *  - control:  the one thread on which the host runs timers, watches, child events and probe results of all plugins.
 *              Never wait here for long; nothing else of any plugin runs meanwhile.
 *  - blocking: a thread of the bounded pool that exists for waiting.
 *  - admin:    the thread that answers operators.
 *  - any:      any thread of the process, also one that the plugin made.
 */
#ifndef SGW_ABI_H_
#define SGW_ABI_H_

#include <stddef.h>
#include <stdint.h>

#define SGW_ABI_MAJOR 1
#define SGW_ABI_MINOR 2

/* Name of the one exported symbol and of the ELF section with the tag. */
#define SGW_ENTRY_SYMBOL "sgw_plugin_entry"
#define SGW_TAG_SECTION ".sgw.tag"
/* The tag is this magic, then one JSON object, then zero bytes to the section's end. The object:
 *   {"name":"auth_portal","kind":"auth","abi":[1,2],"sdk":"0.1.0","sanitizer":"","capabilities":["next"],
 *    "settings":[<setting>...]}
 * <setting>: {"name":"timeout","type":"duration","required":false,"default":"2s","doc":"..."}; `type` is one of bool,
 * integer, number, string, secret, duration, size, list, map, object; list and map have "of":<setting without name>, and
 * object has "settings":[<setting>...]. `default` is text as it would stand in the YAML and absent when there is none.
 * Capabilities: "next" (an ask may answer Next), "create" (a pool that can make servers on demand), "admit" (an audit that
 * gives a verdict at an operation's start), "certificates" (knows TLS peers), "remembered" (an auth whose answers, Next
 * among them, depend on nothing of a call but its `authorization` and `authentication` headers, its TLS peer and the
 * headers in `made_from`). The array has no relocation: no code runs. */
#define SGW_TAG_MAGIC "sgw-tag-1\n"

/* True when the sized struct behind `s` is large enough to hold `member`. */
#define SGW_HAS(s, member) \
  ((s)->size >= offsetof(__typeof__(*(s)), member) + sizeof((s)->member)) /* NOLINT(bugprone-sizeof-expression) */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sgw_view {
  const char* data;
  uint64_t size;
} sgw_view;

typedef struct sgw_views {
  const sgw_view* items;
  uint64_t count;
} sgw_views;

typedef struct sgw_pair {
  sgw_view key;
  sgw_view value;
} sgw_pair;

typedef struct sgw_pairs {
  const sgw_pair* items;
  uint64_t count;
} sgw_pairs;

/* ---- Handles ------------------------------------------------------------------------------------------------------ */

typedef struct sgw_host sgw_host;         /* the host as one instance sees it; lives longer than the instance */
typedef struct sgw_instance sgw_instance; /* the plugin's own object */
typedef struct sgw_snapshot sgw_snapshot; /* an immutable list of endpoints, counted by the host */
typedef struct sgw_series sgw_series;     /* one time series; lives as long as the process */

/* Names one question that waits for an answer: a slot of the host with a generation counter. It is never reused, so an
 * answer that is late, doubled or made up is counted and has no effect, for ever. 0 names no question. */
typedef uint64_t sgw_ask;
/* Names a timer, watch or child process of one host; 0 is none. */
typedef uint64_t sgw_id;

/* A function that the host calls later, with what it needs. The host calls `drop` exactly once, after the last `call`
 * and on the same kind of thread, or, when nothing will ever be called, from within the function that was given it or
 * that cancelled it. `drop` may be null. The meaning of `argument` stands where the callback is taken. */
typedef struct sgw_callback {
  void (*call)(void* context, const void* argument);
  void (*drop)(void* context);
  void* context;
} sgw_callback;

/* ---- Status ------------------------------------------------------------------------------------------------------- */

/* A gRPC status. `code` is the number on the wire; 0 is OK. `retry_ms` < 0: the caller is not asked to try again. The
 * host takes a plugin's DEADLINE_EXCEEDED for UNAVAILABLE: a Spark client takes it for its own, and comes back at once. */
typedef struct sgw_status {
  uint32_t size;
  int32_t code;
  sgw_view message;
  int64_t retry_ms;
} sgw_status;

/* Where a function that fails writes why. The host copies the status. */
typedef struct sgw_failure {
  void* context;
  void (*fail)(void* context, const sgw_status* status);
} sgw_failure;

/* ---- What is known of a call -------------------------------------------------------------------------------------- */

/* The verified certificate of a TLS peer; all empty when there was none. */
typedef struct sgw_tls_peer {
  uint32_t size;
  uint32_t verified;   /* 1 when the chain was verified against the listener's authorities */
  sgw_view subject;    /* RFC 2253 text */
  sgw_views dns_names; /* subjectAltName */
  sgw_views uris;      /* subjectAltName, a SPIFFE ID for example */
  sgw_view certificate_der;
} sgw_tls_peer;

typedef struct sgw_call {
  uint32_t size;
  uint32_t reserved;
  sgw_view id;           /* shown in every refusal and record */
  sgw_view traceparent;  /* W3C trace context, as received or made by the host */
  sgw_view listener;     /* its name in the configuration */
  sgw_view peer_address; /* "192.0.2.7:51312", "[2001:db8::1]:443" or "unix:" */
  sgw_view authority;    /* :authority */
  sgw_view method;       /* :path, for example "/spark.connect.SparkConnectService/ExecutePlan" */
  sgw_pairs headers;     /* metadata, names in lower case, repeated keys repeated; -bin values still in base64 */
  const sgw_tls_peer* tls; /* null on a plain connection */
  uint64_t received_wall_ns;
} sgw_call;

/* Request headers to change towards the driver. Names in lower case. A removal also takes what the client sent. */
typedef struct sgw_header_edits {
  sgw_views remove;
  sgw_pairs set;
} sgw_header_edits;

typedef struct sgw_identity {
  uint32_t size;
  uint32_t as_claimed;  /* 1: the subject is what the client claims in user_context.user_id; `subject` is used when that
                           is empty, and the call is refused when both are */
  sgw_view subject;     /* never empty unless as_claimed */
  sgw_view user_name;   /* for people; empty: the subject */
  sgw_views groups;
  sgw_pairs claims;     /* further facts for routers and audits; never secrets */
  uint64_t expiry_wall_ns;
  sgw_header_edits headers;
  sgw_view realm;       /* filled by the host: within it a subject is unique */
  sgw_view actor;       /* who really called, when somebody acts for the subject, whose name they chose; else empty. */
  sgw_views made_from;  /* request headers besides the credential that this answer was made from: the host takes a
                           remembered answer for calls with the same values only, and removes them towards the driver */
} sgw_identity;

/* A limit that several subjects share: all calls whose Routes carry a limit of this name count together. -1: no limit. */
typedef struct sgw_limit {
  uint32_t size;
  uint32_t reserved;
  sgw_view name;            /* "team ads", as the refused caller reads it; at most 256 bytes */
  int64_t max_sessions;
  int64_t max_operations;   /* running at once */
  int64_t calls_per_second;
  int64_t burst;            /* calls that may come at once; default: calls_per_second. From minor version 2 on */
} sgw_limit;

/* How the servers of one Route are used. Members with the value -1 (or share 0) leave the configuration's value. */
typedef struct sgw_policy {
  uint32_t size;
  uint32_t share; /* 0 configuration, 1 session, 2 user, 3 team */
  int64_t idle_timeout_ms;
  int64_t max_age_ms;
  int64_t max_sessions;         /* per subject */
  int64_t max_operations;       /* running at once, per subject */
  int64_t calls_per_second;     /* per subject */
  const sgw_limit* limits;      /* shared ones; at most 16, more are left out */
  uint64_t limit_count;
  int64_t burst;                /* calls of one subject that may come at once; default: calls_per_second. From minor
                                   version 2 on */
} sgw_policy;

typedef struct sgw_route {
  uint32_t size;
  uint32_t reserved;
  sgw_view name_space;     /* "sjns-ads-prod"; empty when no router is configured */
  sgw_view team;           /* for records and metrics */
  sgw_view environment;
  sgw_view service_class;  /* a pool may keep several kinds of servers; empty is the usual one */
  sgw_pairs labels;        /* for records; bounded sets of values only */
  sgw_pairs attributes;    /* what a pool makes servers from: size, Spark version */
  sgw_views made_from;     /* request headers that this Route was made from; removed towards the driver, kept with the
                              session's binding */
  const sgw_policy* policy; /* null: all from the configuration */
  sgw_header_edits headers;
} sgw_route;

enum {
  SGW_TLS_CONFIGURED = 0, /* as the gateway's configuration says for drivers */
  SGW_TLS_OFF = 1,
  SGW_TLS_ON = 2, /* with the authorities and the client certificate of the gateway's configuration */
};

typedef struct sgw_endpoint {
  uint32_t size;
  uint32_t weight;      /* 0 counts as 1 */
  sgw_view address;     /* "10.2.3.4:15002", "[::1]:15002", "driver.example:15002", "unix:/run/driver.sock" */
  sgw_view incarnation; /* what tells one server from the next at the same address: pod UID, process start; may be empty */
  sgw_view token;       /* bearer token that the driver wants; empty: none. A secret. */
  sgw_header_edits headers;
  sgw_pairs labels;
  uint32_t tls;         /* SGW_TLS_*: how the host speaks to it */
  uint32_t reserved;
  sgw_view server_name; /* with TLS: the DNS name or address that its certificate must carry; empty: the address's host */
} sgw_endpoint;

/* ---- Answers ------------------------------------------------------------------------------------------------------ */

/* What a step says. An ask function returns SGW_ANSWERED after it gave exactly one answer through the host's function
 * for its kind, or SGW_PENDING when the answer comes later. Anything else ends the call with INTERNAL. */
enum { SGW_ANSWERED = 0, SGW_PENDING = 1 };

enum {
  SGW_ANSWER_VALUE = 0,  /* the kind's value is set */
  SGW_ANSWER_NEXT = 1,   /* not mine: the next step of this kind decides */
  SGW_ANSWER_STATUS = 2, /* refused or failed: `status` is set and is not OK */
};

typedef struct sgw_auth_answer {
  uint32_t size;
  uint32_t answer;
  const sgw_identity* identity;
  const sgw_status* status;
  /* Beside an identity: it is good only for sessions that this subject has already, as after the end of a token's life;
   * every other call ends with this status. Null: good for all calls. */
  const sgw_status* only_bound;
} sgw_auth_answer;

typedef struct sgw_router_answer {
  uint32_t size;
  uint32_t answer;
  const sgw_route* route;
  const sgw_status* status;
} sgw_router_answer;

typedef struct sgw_lease {
  uint32_t size;
  uint32_t reserved;
  sgw_view id; /* redeemable through the instance's name by a later generation or another replica; at most 256 bytes */
  sgw_endpoint endpoint;
} sgw_lease;

typedef struct sgw_pool_answer {
  uint32_t size;
  uint32_t answer;
  const sgw_lease* lease;
  const sgw_status* status;
} sgw_pool_answer;

typedef struct sgw_discovery_answer {
  uint32_t size;
  uint32_t answer;
  sgw_snapshot* snapshot; /* the host takes a count of its own */
  const sgw_status* status;
} sgw_discovery_answer;

/* ---- Kinds -------------------------------------------------------------------------------------------------------- */

/* Asked on a worker for each call. With the capability "remembered" each connection keeps its last identity and takes it
 * for calls with the same credential, until it expires or identities_forget is called. */
typedef struct sgw_auth_ops {
  uint32_t size;
  uint32_t reserved;
  int32_t (*authenticate)(sgw_instance*, const sgw_call*, sgw_ask);
} sgw_auth_ops;

/* Asked on a worker for each new session and for each call of a service without sessions. */
typedef struct sgw_router_ops {
  uint32_t size;
  uint32_t reserved;
  int32_t (*route)(sgw_instance*, const sgw_call*, const sgw_identity*, sgw_ask);
} sgw_router_ops;

typedef struct sgw_pool_request {
  uint32_t size;
  uint32_t create; /* 1: a server may be made for this request; 0: only a warm one */
  const sgw_call* call;         /* of the first caller; it may have left before the answer comes */
  const sgw_identity* identity;
  const sgw_route* route;
  sgw_view key; /* the sharing key, opaque and stable: at most one lease is held per key */
} sgw_pool_request;

/* Why a lease comes back. */
enum {
  SGW_LEASE_ENDED = 0,     /* the last session ended as it should */
  SGW_LEASE_LOST = 1,      /* the server is gone or cannot be reached */
  SGW_LEASE_UNCLAIMED = 2, /* nobody came for it: the server is unused */
};

typedef struct sgw_pool_ops {
  uint32_t size;
  uint32_t reserved;
  /* Worker. Gives one server to this key, exclusively, until release(). */
  int32_t (*acquire)(sgw_instance*, const sgw_pool_request*, sgw_ask);
  /* Any thread. Takes the lease back; called exactly once per lease that reached the host. */
  void (*release)(sgw_instance*, sgw_view lease_id, int32_t outcome);
  /* Any thread. A lease of an earlier generation or process: is its server still there? Answers as acquire() does;
   * NOT_FOUND: it is gone. */
  int32_t (*redeem)(sgw_instance*, sgw_view lease_id, sgw_ask);
} sgw_pool_ops;

typedef struct sgw_discovery_ops {
  uint32_t size;
  uint32_t reserved;
  /* Worker. Which servers serve the route's namespace now? `identity` is null when the pipeline has no auth step. */
  int32_t (*resolve)(sgw_instance*, const sgw_call*, const sgw_identity*, const sgw_route*, sgw_ask);
} sgw_discovery_ops;

enum {
  SGW_RECORD_SESSION_OPENED = 1,
  SGW_RECORD_SESSION_CLOSED = 2, /* released by its client, expired, ended by an operator: see `reason` */
  SGW_RECORD_SESSION_LOST = 3,
  SGW_RECORD_OPERATION_STARTED = 4,
  SGW_RECORD_OPERATION_ENDED = 5,
  SGW_RECORD_CALL_REFUSED = 6, /* by a step, a limit or the dialect; `refused_by` says which */
  SGW_RECORD_CALL_ENDED = 7,
};

/* What happened. Views that do not apply are empty, numbers that do not apply are 0. Nothing in it is a secret. */
typedef struct sgw_record {
  uint32_t size;
  uint32_t event;
  uint64_t wall_ns;
  sgw_view call_id;
  sgw_view traceparent;
  sgw_view listener;
  sgw_view peer_address;
  sgw_view realm;
  sgw_view subject;
  sgw_view user_name;
  sgw_views groups;
  sgw_view name_space;
  sgw_view team;
  sgw_view environment;
  sgw_view method;
  sgw_view session_id;
  sgw_view operation_id;
  sgw_view client_type; /* as the client says it; at most 256 bytes */
  sgw_view endpoint;
  sgw_view lease_id;
  sgw_view refused_by; /* instance name of the step, or a word of the core's such as "session" */
  sgw_view reason;
  int32_t code; /* gRPC status of a call or operation that ended */
  uint32_t reserved;
  sgw_view message;
  uint64_t bytes_from_client;
  uint64_t bytes_to_client;
  uint64_t duration_ns;
  sgw_pairs claims;
  sgw_pairs labels; /* of the Route */
  sgw_view actor;   /* who acted for the subject; else empty */
} sgw_record;

typedef struct sgw_audit_ops {
  uint32_t size;
  uint32_t reserved;
  /* Worker. Told what happened; never waits, keeps copies. */
  void (*record)(sgw_instance*, const sgw_record*);
  /* Worker; only with the capability "admit". May this operation start? Answered through answer_done: not OK refuses. */
  int32_t (*admit)(sgw_instance*, const sgw_record*, sgw_ask);
} sgw_audit_ops;

enum { SGW_METRIC_COUNTER = 0, SGW_METRIC_GAUGE = 1, SGW_METRIC_HISTOGRAM = 2 };

typedef struct sgw_metric_series {
  sgw_views label_values; /* as many as the family has names */
  double value;           /* counter, gauge */
  uint64_t count;         /* histogram: observations in all */
  double sum;
  const uint64_t* buckets; /* histogram: cumulative counts, one per bound; +Inf is `count` */
} sgw_metric_series;

typedef struct sgw_metric_family {
  sgw_view name;
  sgw_view help;
  uint32_t type;
  uint32_t bound_count;
  const double* bounds; /* histogram: upper bounds, ascending, without +Inf */
  sgw_views label_names;
  const sgw_metric_series* series;
  uint64_t series_count;
} sgw_metric_family;

typedef struct sgw_metrics_snapshot {
  uint32_t size;
  uint32_t reserved;
  const sgw_metric_family* families;
  uint64_t family_count;
} sgw_metrics_snapshot;

typedef struct sgw_text_sink {
  void* context;
  void (*write)(void* context, sgw_view text);
} sgw_text_sink;

typedef struct sgw_metrics_ops {
  uint32_t size;
  uint32_t reserved;
  /* Admin. Writes the page for GET /metrics, and its content type. */
  void (*render)(sgw_instance*, const sgw_metrics_snapshot*, sgw_text_sink content_type, sgw_text_sink body);
} sgw_metrics_ops;

/* The session store answers through answer_session. Keys and bindings are opaque bytes of the core's, at most 256 bytes
 * and 16 KiB. */
typedef struct sgw_session_answer {
  uint32_t size;
  uint32_t answer;  /* SGW_ANSWER_VALUE: `binding` is what is bound now; SGW_ANSWER_NEXT: nothing is bound */
  sgw_view binding;
  const sgw_status* status;
} sgw_session_answer;

typedef struct sgw_session_store_ops {
  uint32_t size;
  uint32_t reserved;
  /* All on workers, many at once, and answered with answer_session. Keys (at most 256 bytes) and bindings (16 KiB) are
   * opaque bytes of the host's: the plugin copies what it keeps. A binding ends `ttl_ms` after its last bind or touch. */
  /* Binds unless something is bound. The answer is what is bound afterwards: this binding, or the earlier one. */
  int32_t (*bind_if_absent)(sgw_instance*, sgw_view key, sgw_view binding, int64_t ttl_ms, sgw_ask);
  /* The answer is what is bound, or Next. */
  int32_t (*look_up)(sgw_instance*, sgw_view key, sgw_ask);
  /* Begins the time to live anew. The answer is the binding, or Next: it has ended. */
  int32_t (*touch)(sgw_instance*, sgw_view key, int64_t ttl_ms, sgw_ask);
  /* Ends the binding. The answer is the one that was removed, or Next: there was none. */
  int32_t (*remove)(sgw_instance*, sgw_view key, sgw_ask);
} sgw_session_store_ops;

/* ---- The plugin --------------------------------------------------------------------------------------------------- */

typedef struct sgw_create_args {
  uint32_t size;
  uint32_t reserved;
  sgw_view instance_name; /* as in the configuration */
  /* The settings, validated against the tag and with defaults filled in, as one JSON object: durations in integer
   * milliseconds, sizes in integer bytes. May contain secrets. */
  sgw_view settings_json;
  sgw_view configuration_directory; /* absolute; relative paths in settings start here */
} sgw_create_args;

/* The order of an instance's life: create, start, (asks), quiesce, stop, destroy. */
typedef struct sgw_plugin {
  uint32_t size;
  uint16_t abi_major;
  uint16_t abi_minor;
  /* Control. Makes an instance from its settings. Reads what it needs, starts nothing. Null: it failed, and said why. */
  sgw_instance* (*create)(sgw_host*, const sgw_create_args*, const sgw_failure*);
  /* Control. Begins work; answered through answer_done: the instance is ready, or why it cannot be. No ask comes before. */
  int32_t (*start)(sgw_instance*, sgw_ask);
  /* Control. No new ask will come, running ones may still be answered: write what is queued. answer_done. */
  int32_t (*quiesce)(sgw_instance*, sgw_ask);
  /* Control. Ends all work: when it is answered no callback of the instance runs or will run. answer_done. */
  int32_t (*stop)(sgw_instance*, sgw_ask);
  /* Control. Frees the instance. */
  void (*destroy)(sgw_instance*);
  /* Any thread. Nobody wants the answer of this ask any more. Answering it all the same is harmless. May be null. */
  void (*cancel)(sgw_instance*, sgw_ask);
  /* Admin. Writes the instance's state as one JSON value for operators, without secrets. A hot pool writes
   * {"pools":[{"namespace":..,"class":..,"attributes":["size=m"],"warm":..,"leased":..,"starting":..,"target":..,
   * "waiting":..,"failures":..,"last_error":..,"servers":[{"id":..,"address":..,"state":..,"age_ms":..,"phase":..}]}]}, a
   * discovery {"namespaces":[{"namespace":..,"endpoints":[{"address":..,"incarnation":..}]}]}. May be null. */
  void (*describe)(sgw_instance*, sgw_text_sink);
  /* Exactly the table of the tag's kind is set. */
  const sgw_auth_ops* auth;
  const sgw_router_ops* router;
  const sgw_pool_ops* pool;
  const sgw_discovery_ops* discovery;
  const sgw_audit_ops* audit;
  const sgw_metrics_ops* metrics;
  const sgw_session_store_ops* session_store;
} sgw_plugin;

/* ---- The host ----------------------------------------------------------------------------------------------------- */

enum { SGW_LOG_DEBUG = 0, SGW_LOG_INFO = 1, SGW_LOG_WARNING = 2, SGW_LOG_ERROR = 3 };
enum { SGW_EXPOSURE_LOOPBACK = 1, SGW_EXPOSURE_UNIX = 2, SGW_EXPOSURE_REMOTE = 4 };

typedef struct sgw_child_spec {
  uint32_t size;
  uint32_t kill_after_ms;  /* end(): SIGTERM to the child's group, then SIGKILL after this; 0: at once */
  sgw_views argv;          /* argv[0] is looked up in PATH when it has no slash; at most 10,000 */
  sgw_pairs environment;   /* added to the gateway's own, which is passed on; at most 10,000 */
  sgw_view working_directory; /* empty: the gateway's */
  sgw_view output_path;    /* file that gets stdout and stderr as well, appended; empty: none */
  sgw_callback on_line;    /* control; const sgw_view*: one line of output without its end, at most 8 KiB of it */
  sgw_callback on_exit;    /* control, once; const sgw_child_exit* */
} sgw_child_spec;

typedef struct sgw_child_exit {
  uint32_t size;
  int32_t exit_code; /* -1 when it was ended by a signal or never ran */
  int32_t signal;
  uint32_t reserved;
  sgw_view error;    /* why it could not be started; else empty */
} sgw_child_exit;

typedef struct sgw_http_request {
  uint32_t size;
  uint32_t reserved;
  sgw_view method; /* "GET" */
  sgw_view url;    /* http:// or https://; a user name or password in it is refused */
  sgw_pairs headers; /* at most 10,000 */
  sgw_view body;     /* at most 1 MiB; a request with more of either is refused */
  int64_t timeout_ms;          /* for everything, from the name's resolution to the last byte; 0: none, for streams */
  uint64_t max_response_bytes; /* of the body; a longer one ends the request. 0: 1 MiB. Not for a streamed body */
  sgw_view ca_file;            /* PEM file of the authorities that https servers are checked against; empty: the system's */
  sgw_view certificate_file;   /* PEM files of a client certificate; empty: none */
  sgw_view key_file;
  sgw_view proxy;              /* "http://proxy.example:3128"; empty: none, whatever the environment says */
  sgw_callback on_body;        /* control, const sgw_view*: a piece of the body of a 2xx response as it comes; null: the
                                  body is in the response */
  sgw_callback on_end;         /* control, once, const sgw_http_response* */
} sgw_http_request;

typedef struct sgw_http_response {
  uint32_t size;
  int32_t status;     /* of HTTP; 0 when there is no response */
  sgw_pairs headers;  /* names in lower case */
  sgw_view body;
  const sgw_status* failure; /* why there is no response, or not all of it; null: it is whole */
} sgw_http_response;

/* Everything the host lends. A function that an older host does not have is not covered by `size`. Functions may be
 * called on any thread, from create() on until destroy() returns, unless they say otherwise. */
typedef struct sgw_host_table {
  uint32_t size;
  uint16_t abi_major;
  uint16_t abi_minor;

  void (*log)(sgw_host*, int32_t level, sgw_view text);
  uint64_t (*monotonic_ns)(sgw_host*);
  uint64_t (*wall_ns)(sgw_host*);

  /* Answers. Each has an effect once per ask, and only while somebody waits; views are copied. */
  void (*answer_auth)(sgw_host*, sgw_ask, const sgw_auth_answer*);
  void (*answer_router)(sgw_host*, sgw_ask, const sgw_router_answer*);
  void (*answer_pool)(sgw_host*, sgw_ask, const sgw_pool_answer*);
  void (*answer_discovery)(sgw_host*, sgw_ask, const sgw_discovery_answer*);
  void (*answer_session)(sgw_host*, sgw_ask, const sgw_session_answer*);
  void (*answer_done)(sgw_host*, sgw_ask, const sgw_status*);
  /* Says how far a pending ask is: a few words, shown to the waiting caller ("pulling image"). */
  void (*report_phase)(sgw_host*, sgw_ask, sgw_view phase);

  /* Snapshots. snapshot_make copies the endpoints and returns one count; every count is given back once. */
  sgw_snapshot* (*snapshot_make)(sgw_host*, const sgw_endpoint* endpoints, uint64_t count);
  void (*snapshot_release)(sgw_host*, sgw_snapshot*);

  /* The server behind a lease, or with this address and incarnation, is gone for good: its sessions are lost now. */
  void (*lease_lost)(sgw_host*, sgw_view lease_id, sgw_view reason);
  void (*endpoint_gone)(sgw_host*, sgw_view address, sgw_view incarnation, sgw_view reason);

  /* Timers. The callback (argument null) runs once on the control thread. timer_cancel and the other cancelling
   * functions return after a callback that already runs has returned, unless they are called from it. */
  sgw_id (*timer_start)(sgw_host*, int64_t delay_ms, sgw_callback);
  void (*timer_cancel)(sgw_host*, sgw_id);

  /* Metrics. The family is made at its first use; a name begins with "spark_gateway_" + the instance's own prefix by
   * convention, and the host adds the label `plugin` with the instance's name. Null: the name is taken by another type
   * or is not a valid one. Past 1,000 series of a family the last one, with all values "other", counts them. */
  sgw_series* (*metric)(sgw_host*, uint32_t type, sgw_view name, sgw_view help, sgw_pairs labels, const double* bounds,
                        uint64_t bound_count);
  void (*metric_add)(sgw_series*, double);     /* counter, gauge */
  void (*metric_set)(sgw_series*, double);     /* gauge */
  void (*metric_observe)(sgw_series*, double); /* histogram */

  /* Runs the callback (argument null) on a blocking thread. 0: the queue is full; the callback was dropped. */
  int32_t (*run_blocking)(sgw_host*, sgw_callback);

  /* Asks whether a gRPC server answers at the endpoint: connects, exchanges HTTP/2 SETTINGS. The callback runs once on
   * the control thread with a const sgw_status*. */
  void (*probe)(sgw_host*, const sgw_endpoint*, int64_t timeout_ms, sgw_callback);

  /* Watches a path: written, replaced, renamed over, removed, made, or reached through a changed symlink. The callback
   * (argument null) runs on the control thread after things have been quiet for 100 ms. Works for a path that does not
   * exist yet. */
  sgw_id (*file_watch)(sgw_host*, sgw_view path, sgw_callback);
  void (*file_unwatch)(sgw_host*, sgw_id);

  /* Child processes, in groups of their own, ended with all their descendants when the gateway ends, however it ends. */
  sgw_id (*child_start)(sgw_host*, const sgw_child_spec*);
  void (*child_end)(sgw_host*, sgw_id); /* asks it to end; on_exit follows */

  /* Which kinds of addresses the listeners that use this pipeline have: a set of SGW_EXPOSURE_*. */
  uint32_t (*exposure)(sgw_host*);

  /* HTTP(S) requests. Connections are kept and shared; redirects are not followed; certificates are always checked.
   * All failures are told through on_end. After http_cancel nothing more is called, but for what is on its way to the
   * control thread already. From minor version 1 on. */
  sgw_id (*http_send)(sgw_host*, const sgw_http_request*);
  void (*http_cancel)(sgw_host*, sgw_id);

  /* Secrets. A setting that the configuration gives by reference, as ${file:/run/secrets/portal}, is told again each
   * time that what it refers to has changed: the callback runs on the control thread with a const sgw_view* of the new
   * text. `setting` is the setting's JSON pointer, "/password". 0: there is no such setting, or it is not given by a
   * reference that can change; the callback was dropped. From minor version 1 on. */
  sgw_id (*secret_watch)(sgw_host*, sgw_view setting, sgw_callback);
  void (*secret_unwatch)(sgw_host*, sgw_id);

  /* The child's process id, for operators; 0 while it is not known and after it has ended. May be null. */
  int64_t (*child_pid)(sgw_host*, sgw_id);

  /* For auth: answers that the host remembers of this instance are forgotten, because keys or lists have changed: the
   * next call of each connection is asked again. From minor version 1 on. */
  void (*identities_forget)(sgw_host*);
} sgw_host_table;

/* The one exported symbol. Returns the plugin's table, which lives as long as the process, or null after it said why.
 * Called once per load, on the control thread, before anything else. The plugin looks at the host's version first: it
 * works with every host of its major version whose minor version is at least the one it needs. */
typedef const sgw_plugin* (*sgw_plugin_entry_fn)(const sgw_host_table*, const sgw_failure*);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* SGW_ABI_H_ */
