#include "config/config.hpp"

#include "base/ids.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace npcchat {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
namespace fs = std::filesystem;

class ConfigTest : public testing::Test {
  protected:
    ConfigTest() {
        std::string pattern = (fs::temp_directory_path() / "npcchat-config-XXXXXX").string();
        dir = mkdtemp(pattern.data());
        variables["STATE_DIR"] = (dir / "state").string();
    }
    ~ConfigTest() override { fs::remove_all(dir); }

    std::expected<Config, std::string> read() {
        return Config::from_environment([this](const char* name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            return found == variables.end() ? std::nullopt : std::optional(found->second);
        });
    }

    // The error that `value` gives; empty where there is none.
    std::string error_for(const std::string& name, const std::string& value) {
        const auto before = variables;
        variables[name] = value;
        const auto config = read();
        variables = before;
        return config ? "" : config.error();
    }

    std::string content(const std::string& name) const {
        std::ifstream file(dir / "state" / name);
        return std::string(std::istreambuf_iterator<char>(file), {});
    }

    mode_t mode(const std::string& name) const {
        struct stat status{};
        EXPECT_EQ(stat((dir / "state" / name).c_str(), &status), 0) << name;
        return status.st_mode & 07777;
    }

    fs::path dir;
    std::map<std::string, std::string> variables;
};

TEST_F(ConfigTest, HasDefaults) {
    const auto config = read();
    ASSERT_TRUE(config.has_value()) << config.error();
    const std::string state = variables["STATE_DIR"];
    EXPECT_EQ(config->listen.unix_path, state + "/run/sidecar.sock");
    EXPECT_EQ(config->keys_listen.unix_path, state + "/run/sidecar.sock.keys");
    EXPECT_EQ(config->sqlite_path, state + "/npcchat.db");
    EXPECT_EQ(config->postgres_url, "");
    EXPECT_FALSE(config->redis.has_value());
    EXPECT_EQ(config->store_timeout, 2s);
    EXPECT_EQ(config->chat_ttl, 30 * 24h);
    EXPECT_EQ(config->history_tokens, 8192U);
    EXPECT_EQ(config->max_body, 1024U * 1024U);
    EXPECT_FALSE(config->open_signup);
    EXPECT_FALSE(config->log_messages);
    EXPECT_GE(config->loops, 1U);
    EXPECT_TRUE(config->models->all().empty());
    EXPECT_FALSE(config->metrics_allow.contains("127.0.0.1"));
    EXPECT_TRUE(fs::is_directory(dir / "state" / "run"));
}

TEST_F(ConfigTest, TakesWhatIsSet) {
    variables.insert({{"DATABASE_URL", "postgresql://u:p@db/npc?sslmode=disable"},
                      {"REDIS_URL", "redis://r:1/2"},
                      {"STORE_TIMEOUT", "0.25"},
                      {"CHAT_TTL", "60"},
                      {"ARCHIVE_AFTER", "59"},
                      {"HISTORY_TOKENS", "100"},
                      {"MAX_BODY", "2048"},
                      {"SIGNUP", "open"},
                      {"LOG_MESSAGES", "1"},
                      {"LOOPS", "3"},
                      {"OPENAI_API_KEY", "k"},
                      {"MODEL_CONNECT_TIMEOUT", "1"},
                      {"MODEL_FIRST_TOKEN_TIMEOUT", "2.5"},
                      {"MODEL_TIMEOUT", "3"},
                      {"METRICS_ALLOW", "10.0.0.0/8"},
                      {"EDGE_SECRET", "shared"},
                      {"ADMIN_KEY", "k-1"}});
    const auto config = read();
    ASSERT_TRUE(config.has_value()) << config.error();
    EXPECT_EQ(config->postgres_url, "postgresql://u:p@db/npc?sslmode=disable");
    EXPECT_EQ(config->sqlite_path, "");
    EXPECT_EQ(config->redis->database, 2);
    EXPECT_EQ(config->store_timeout, 250ms);
    EXPECT_EQ(config->chat_ttl, 60s);
    EXPECT_EQ(config->archive_after, 59s);
    EXPECT_EQ(config->history_tokens, 100U);
    EXPECT_EQ(config->max_body, 2048U);
    EXPECT_TRUE(config->open_signup);
    EXPECT_TRUE(config->log_messages);
    EXPECT_EQ(config->loops, 3U);
    EXPECT_EQ(config->models->default_model()->targets[0].timeouts.connect, 1s);
    EXPECT_EQ(config->models->default_model()->targets[0].timeouts.first_byte, 2500ms);
    EXPECT_EQ(config->models->default_model()->targets[0].timeouts.whole, 3s);
    EXPECT_TRUE(config->metrics_allow.contains("10.1.2.3"));
    EXPECT_EQ(config->edge_secret, "shared");
    EXPECT_EQ(config->admin_key_digest, sha256_hex("k-1"));
}

TEST_F(ConfigTest, ArchivesWhatLivesLongEnoughInRedis) {
    EXPECT_EQ(read()->archive_after, 0s);
    variables["REDIS_URL"] = "redis://r";
    EXPECT_EQ(read()->archive_after, 86'400s);
    variables["CHAT_TTL"] = "86400"; // ended by then
    EXPECT_EQ(read()->archive_after, 0s);
    variables["ARCHIVE_AFTER"] = "3600";
    EXPECT_EQ(read()->archive_after, 3600s);
    variables["ARCHIVE_AFTER"] = "0";
    EXPECT_EQ(read()->archive_after, 0s);
}

TEST_F(ConfigTest, ErrorsNameTheVariable) {
    const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
        {"DATABASE_URL", {"mysql://x", "x", "/data/npc.db"}},
        {"REDIS_URL", {"localhost:6379", "redis://", "http://r"}},
        {"STORE_TIMEOUT", {"x", "0", "-1", "2s", "1e9", " 2", "2 ", "inf"}},
        {"CHAT_TTL", {"x", "0", "-1", "1.5", "30d", "99999999999999999999"}},
        {"ARCHIVE_AFTER", {"x", "-1", "1d"}},
        {"MODEL_CONNECT_TIMEOUT", {"x", "0", "-1"}},
        {"MODEL_FIRST_TOKEN_TIMEOUT", {"x", "0"}},
        {"MODEL_TIMEOUT", {"x", "0", "99999999"}},
        {"HISTORY_TOKENS", {"x", "-1", "1.5", "99999999"}},
        {"MODEL_NAME", {"gpt-9"}},
        {"MODELS_FILE", {"/nowhere/models.json"}},
        {"SIDECAR_LISTEN", {"x", "unix:", ":80", "host:", "host:port", "unix:/" + std::string(108, 'a')}},
        {"SIDECAR_KEYS_LISTEN", {"x", "host:-1", "host:80x"}},
        {"SIGNUP", {"yes", "Open", "closed"}},
        {"MAX_BODY", {"x", "0", "1023", "-1", "1M", "99999999999"}},
        {"METRICS_ALLOW", {"x", "10.0.0.0/33", "10.0.0", "::1/129", "10.0.0.1,x", "10.0.0.0/"}},
        {"LOOPS", {"x", "0", "-1", "257"}},
        {"ADMIN_KEY", {"with space", "tab\t", "\u00e9", std::string(257, 'k')}},
    };
    for (const auto& [name, values] : cases) {
        for (const std::string& value : values) {
            const std::string error = error_for(name, value);
            EXPECT_TRUE(error.starts_with(name)) << name << "=" << value << ": " << error;
            EXPECT_EQ(error.find('\n'), std::string::npos) << error;
        }
    }
}

TEST_F(ConfigTest, RefusesNumbersThatAreNone) {
    EXPECT_TRUE(error_for("STORE_TIMEOUT", "nan").starts_with("STORE_TIMEOUT"));
    EXPECT_TRUE(error_for("MODEL_TIMEOUT", "nan").starts_with("MODEL_TIMEOUT"));
    EXPECT_TRUE(error_for("SIDECAR_LISTEN", "127.0.0.1:65536").starts_with("SIDECAR_LISTEN"));
    EXPECT_TRUE(error_for("SIDECAR_LISTEN", "127.0.0.1:99999").starts_with("SIDECAR_LISTEN"));
    // The keys' address would be the port after the last one.
    EXPECT_FALSE(error_for("SIDECAR_LISTEN", "127.0.0.1:65535").empty());
}

TEST_F(ConfigTest, ErrorsShowNoSecret) {
    for (const auto& [name, value] : {std::pair{"ADMIN_KEY"s, "secret word"s},
                                      {"REDIS_URL"s, "x://:secret@r"s},
                                      {"DATABASE_URL"s, "mysql://u:secret@db/x"s}}) {
        const std::string error = error_for(name, value);
        EXPECT_FALSE(error.empty());
        EXPECT_EQ(error.find("secret"), std::string::npos) << error;
    }
}

TEST_F(ConfigTest, MakesItsSecrets) {
    const mode_t mask = umask(0077);
    const auto config = read();
    umask(mask);
    ASSERT_TRUE(config.has_value()) << config.error();
    EXPECT_EQ(mode("edge.secret"), 0640U);
    EXPECT_EQ(mode("admin.key"), 0600U);
    EXPECT_GE(config->edge_secret.size(), 43U);
    EXPECT_EQ(content("edge.secret"), config->edge_secret + "\n");
    std::string key = content("admin.key");
    ASSERT_TRUE(key.starts_with("npc_") && key.ends_with("\n")) << key;
    key.pop_back();
    EXPECT_EQ(config->admin_key_digest, sha256_hex(key));
    for (const auto& entry : fs::directory_iterator(dir / "state"))
        EXPECT_TRUE(entry.path().filename() == "edge.secret" || entry.path().filename() == "admin.key" ||
                    entry.path().filename() == "run")
            << entry.path();
}

TEST_F(ConfigTest, KeepsItsSecrets) {
    const auto first = read();
    const auto second = read();
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->edge_secret, second->edge_secret);
    EXPECT_EQ(first->admin_key_digest, second->admin_key_digest);
    variables["STATE_DIR"] = (dir / "other").string();
    const auto other = read();
    ASSERT_TRUE(other.has_value());
    EXPECT_NE(first->edge_secret, other->edge_secret);
    EXPECT_NE(first->admin_key_digest, other->admin_key_digest);
}

TEST_F(ConfigTest, WritesNoSecretThatWasGiven) {
    variables["ADMIN_KEY"] = "given-key";
    variables["EDGE_SECRET"] = "given-secret";
    ASSERT_TRUE(read().has_value());
    EXPECT_FALSE(fs::exists(dir / "state" / "admin.key"));
    EXPECT_FALSE(fs::exists(dir / "state" / "edge.secret"));
}

TEST_F(ConfigTest, TheEdgeSecretMayBeElsewhere) {
    variables["EDGE_SECRET_FILE"] = (dir / "shared.secret").string();
    std::ofstream(dir / "shared.secret") << "from-a-file\n";
    const auto config = read();
    ASSERT_TRUE(config.has_value()) << config.error();
    EXPECT_EQ(config->edge_secret, "from-a-file");
}

TEST_F(ConfigTest, AStateDirThatCannotBeIsAnError) {
    std::ofstream(dir / "file") << "x";
    variables["STATE_DIR"] = (dir / "file").string();
    const auto config = read();
    ASSERT_FALSE(config.has_value());
    EXPECT_NE(config.error().find((dir / "file").string()), std::string::npos) << config.error();
}

TEST(ParseListen, ReadsAddresses) {
    const auto path = parse_listen("unix:/run/npcchat/sidecar.sock");
    ASSERT_TRUE(path.has_value());
    EXPECT_EQ(path->unix_path, "/run/npcchat/sidecar.sock");
    EXPECT_TRUE(parse_listen("unix:" + std::string(107, 'a')).has_value());
    const auto tcp = parse_listen("127.0.0.1:9000");
    ASSERT_TRUE(tcp.has_value());
    EXPECT_EQ(tcp->unix_path, "");
    EXPECT_EQ(tcp->host, "127.0.0.1");
    EXPECT_EQ(tcp->port, 9000);
    EXPECT_EQ(parse_listen("localhost:65535")->port, 65535);
    EXPECT_EQ(parse_listen("[::1]:80")->port, 80);
}

TEST(ParseListen, RefusesOthers) {
    for (const auto& text :
         {""s, "unix:"s, "unix:" + std::string(108, 'a'), "9000"s, ":9000"s, "host"s, "host:"s, "host:x"s,
          "host:80x"s, "host:-1"s, "host:+80"s, "host: 80"s, "host:65536"s, "host:99999999999"s})
        EXPECT_FALSE(parse_listen(text).has_value()) << text;
}

TEST(AddressListTest, KnowsAddresses) {
    const AddressList list = AddressList::parse("10.0.0.7, 2001:db8::7  ,192.168.0.1").value();
    for (const auto* address : {"10.0.0.7", "2001:db8::7", "2001:DB8:0::7", "192.168.0.1"})
        EXPECT_TRUE(list.contains(address)) << address;
    for (const auto* address :
         {"10.0.0.8", "2001:db8::8", "", "x", "10.0.0.7 ", "10.0.0.7/32", "::", "0.0.0.0"})
        EXPECT_FALSE(list.contains(address)) << address;
}

TEST(AddressListTest, KnowsNetworks) {
    const AddressList list = AddressList::parse("10.1.2.3/8,172.16.0.0/12 2001:db8::1/32").value();
    for (const auto* address : {"10.0.0.0", "10.255.255.255", "172.31.255.255", "2001:db8:ffff::1"})
        EXPECT_TRUE(list.contains(address)) << address;
    for (const auto* address : {"11.0.0.0", "9.255.255.255", "172.32.0.0", "2001:db9::1"})
        EXPECT_FALSE(list.contains(address)) << address;
}

TEST(AddressListTest, MayTakeInAllOrNone) {
    EXPECT_FALSE(AddressList::parse("")->contains("127.0.0.1"));
    EXPECT_FALSE(AddressList::parse(" , ")->contains("127.0.0.1"));
    const AddressList v4 = AddressList::parse("0.0.0.0/0").value();
    EXPECT_TRUE(v4.contains("8.8.8.8"));
    EXPECT_FALSE(v4.contains("::1"));
    const AddressList v6 = AddressList::parse("::/0").value();
    EXPECT_TRUE(v6.contains("::1"));
    EXPECT_FALSE(v6.contains("8.8.8.8"));
}

} // namespace
} // namespace npcchat
