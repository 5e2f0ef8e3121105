/*
 * Lua's part of reattach.i. Numbers need typemaps of their own: SWIG makes floats of them, which hold 53 bits. Waits
 * block the interpreter; the layer above has them look up now and then.
 */

%{
#include <time.h>

/* --- what C finds in the registry: two functions that the layer sets, and the failure of a delivery --- */

static char error_factory, event_handler, failure; /* their addresses are the keys */

static int keep(lua_State *L, void *key)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
    return 0;
}

static int set_error_factory(lua_State *L)
{
    return keep(L, &error_factory);
}

static int set_event_handler(lua_State *L)
{
    return keep(L, &event_handler);
}

/* --- errors: a value that the factory makes of the fields --- */

static void push_error_fields(lua_State *L, const ra_error *error)
{
    luaL_checkstack(L, 12, NULL);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &error_factory);
    lua_pushinteger(L, ra_error_code(error));
    lua_pushstring(L, ra_error_name(error));
    lua_pushstring(L, ra_error_message(error));
    lua_pushstring(L, ra_error_endpoint(error));
    lua_pushinteger(L, ra_error_broker_code(error));
    lua_pushstring(L, ra_error_broker_text(error));
    lua_pushboolean(L, ra_error_is_retriable(error));
    lua_pushboolean(L, ra_error_is_fatal(error));
    lua_pushboolean(L, ra_error_is_outcome_unknown(error));
}

static void push_error(lua_State *L, const ra_error *error)
{
    push_error_fields(L, error);
    lua_call(L, 9, 1);
}

static void push_and_free_error(lua_State *L, ra_error *error)
{
    push_error_fields(L, error);
    ra_error_free(error);
    lua_call(L, 9, 1);
}

/* --- numbers --- */

static int64_t integer_of(lua_State *L, int index, const char *function, int64_t least, int64_t most)
{
    int exact = 0;
    lua_Integer value = lua_tointegerx(L, index, &exact);

    if (!exact)
        luaL_error(L, "%s: argument %d has to be an integer", function, index);
    if (value < least || value > most)
        luaL_error(L, "%s: argument %d is out of range: %I", function, index, (LUAI_UACINT)value);
    return value;
}

/* A zero byte would cut a name off in silence. */
static const char *text_of(lua_State *L, int index, const char *function)
{
    size_t size = 0;
    const char *text = lua_tolstring(L, index, &size);

    if (text != NULL && strlen(text) != size)
        luaL_error(L, "%s: argument %d has a zero byte in it", function, index);
    return text;
}

/* --- listeners: the user pointer is a number; what it stands for is in a table of Lua's --- */

static __thread lua_State *dispatching;

struct heard {
    void *user;
    const ra_event *event;
};

static int deliver(lua_State *L)
{
    const struct heard *h = lua_touserdata(L, 1);

    lua_rawgetp(L, LUA_REGISTRYINDEX, &event_handler);
    lua_pushinteger(L, (lua_Integer)(uintptr_t)h->user);
    SWIG_NewPointerObj(L, (void *)(uintptr_t)h->event, SWIGTYPE_p_ra_event, 0);
    lua_call(L, 2, 0);
    return 0;
}

/* No error may jump over the library's frames: the handler keeps those of listeners, and what is left (no memory) is
 * thrown when the dispatch has returned. */
static void on_event(void *user, const ra_event *event)
{
    lua_State *L = dispatching;
    struct heard h = { user, event };

    if (!lua_checkstack(L, 4))
        return;
    lua_pushcfunction(L, deliver);
    lua_pushlightuserdata(L, &h);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        lua_rawsetp(L, LUA_REGISTRYINDEX, &failure);
    dispatching = L; /* the listener may have dispatched another connection */
}

static int dispatch(lua_State *L, ra_connection *connection, int32_t max, ra_error **err)
{
    lua_State *before = dispatching;
    int count;

    lua_pushboolean(L, 0);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &failure); /* makes its place, so that keeping one takes no memory */
    dispatching = L;
    count = ra_connection_dispatch(connection, max, err);
    dispatching = before;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &failure);
    if (lua_toboolean(L, -1)) {
        ra_error_free(*err);
        lua_error(L);
    }
    lua_pop(L, 1);
    return count;
}
%}

%native(set_error_factory) int set_error_factory(lua_State *L);
%native(set_event_handler) int set_event_handler(lua_State *L);

%typemap(argout) ra_error **err {
    if (*$1 != NULL) {
        push_and_free_error(L, *$1);
        SWIG_fail;
    }
}
%typemap(out) int "(void)$1;"
%typemap(out) const ra_error * {
    if ($1 == NULL)
        lua_pushnil(L);
    else
        push_error(L, $1);
    SWIG_arg++;
}

/* --- handles: freed with their userdata, or earlier by end_...(), which leaves an empty one ------------------------ */

%warnfilter(302) ra_error_code; /* a function and an enum, as C allows */

%define RA_HANDLE(TYPE, RELEASE)
%nodefaultctor TYPE;
struct TYPE {};
%extend TYPE {
    ~TYPE() { RELEASE($self); }
}
%typemap(argout) TYPE ** "SWIG_NewPointerObj(L, *$1, $*1_descriptor, 1); SWIG_arg++;"
%typemap(in, checkfn = "lua_isuserdata") TYPE *given_back {
    if (!SWIG_IsOK(SWIG_ConvertPtr(L, $input, (void **)&$1, $1_descriptor, SWIG_POINTER_RELEASE)))
        SWIG_fail_ptr("$symname", $argnum, $1_descriptor);
}
%inline %{
static void end_##TYPE(TYPE *given_back)
{
    RELEASE(given_back);
}
%}
%enddef

/* The session of an event is borrowed: only its address is of use, to find one's own object by. */
%typemap(out) ra_session *ra_event_session "lua_pushinteger(L, (lua_Integer)(uintptr_t)$1); SWIG_arg++;"
%typemap(out) uintptr_t "lua_pushinteger(L, (lua_Integer)$1); SWIG_arg++;"
%inline %{
static uintptr_t session_address(ra_session *session)
{
    return (uintptr_t)session;
}
%}

/* --- time: Lua's own clocks count whole seconds, or those of the processor ------------------------------------------ */

%{
static double seconds_of(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
%}
%inline %{
static double monotonic(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

static double wall(void)
{
    return seconds_of(CLOCK_REALTIME);
}
%}

/* --- numbers -------------------------------------------------------------------------------------------------------- */

%define RA_INTEGER(TYPE, LEAST, MOST)
%typemap(in) TYPE "$1 = ($1_ltype)integer_of(L, $input, \"$symname\", LEAST, MOST);"
%enddef
RA_INTEGER(int, INT32_MIN, INT32_MAX)
RA_INTEGER(int8_t, INT8_MIN, INT8_MAX)
RA_INTEGER(int16_t, INT16_MIN, INT16_MAX)
RA_INTEGER(int32_t, INT32_MIN, INT32_MAX)
RA_INTEGER(int64_t, INT64_MIN, INT64_MAX)
RA_INTEGER(uint16_t, 0, UINT16_MAX)
RA_INTEGER(uint32_t, 0, UINT32_MAX)
RA_INTEGER(uint64_t, INT64_MIN, INT64_MAX)
%typemap(out) int32_t, int64_t, uint64_t "lua_pushinteger(L, (lua_Integer)$1); SWIG_arg++;"

%typemap(argout) int *value_out "lua_pushboolean(L, *$1); SWIG_arg++;"
%typemap(argout) int32_t *value_out, int64_t *value_out, int64_t *not_done_out, int64_t *unknown_out, uint16_t *value_out
    "lua_pushinteger(L, (lua_Integer)*$1); SWIG_arg++;"
%typemap(argout) float *value_out, double *value_out "lua_pushnumber(L, *$1); SWIG_arg++;"

/* --- texts and bytes: both are strings of Lua's --------------------------------------------------------------------- */

%typemap(in, checkfn = "SWIG_lua_isnilstring", fragment = "SWIG_lua_isnilstring") const char *
    "$1 = ($1_ltype)text_of(L, $input, \"$symname\");"
%typemap(argout) const char **key_out, const char **address_out "lua_pushstring(L, *$1); SWIG_arg++;"

%typemap(in, checkfn = "SWIG_lua_isnilstring", fragment = "SWIG_lua_isnilstring")
    (const char *text, size_t size) (size_t size = 0), (const char *value, size_t size) (size_t size = 0),
    (const void *bytes, size_t size) (size_t size = 0), (const void *value, size_t size) (size_t size = 0)
    "$1 = ($1_ltype)lua_tolstring(L, $input, &size); $2 = size;"
%typemap(argout) (const char **text_out, size_t *size_out), (const char **value_out, size_t *size_out) {
    if (*$1 == NULL)
        lua_pushnil(L);
    else
        lua_pushlstring(L, *$1, *$2);
    SWIG_arg++;
}
%typemap(argout) (const void **bytes_out, size_t *size_out), (const void **value_out, size_t *size_out)
    "lua_pushlstring(L, *$1, *$2); SWIG_arg++;"

%typemap(argout) (char **piece_out, size_t *size_out) {
    if (*$1 != NULL) {
        lua_pushlstring(L, *$1, *$2);
        SWIG_arg++;
    }
    free(*$1);
}

%typemap(in, checkfn = "SWIG_lua_isnilstring", fragment = "SWIG_lua_isnilstring") const uint8_t id[16] {
    size_t size = 16;
    $1 = (uint8_t *)lua_tolstring(L, $input, &size);
    if (size != 16)
        luaL_error(L, "a user id has 16 bytes, not %d", (int)size);
}
%typemap(argout) uint8_t id_out[16] "lua_pushlstring(L, (const char *)$1, 16); SWIG_arg++;"

/* --- listeners ------------------------------------------------------------------------------------------------------- */

%typemap(in) (ra_listener_function function, void *user, ra_release_function release) {
    $1 = on_event;
    $2 = (void *)(uintptr_t)integer_of(L, $input, "$symname", 0, INT64_MAX);
    $3 = NULL;
}
%exception ra_connection_dispatch "result = dispatch(L, arg1, arg2, arg3);"
