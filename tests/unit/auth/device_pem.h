/* Identities of devices for tests: an authority, and keys that it certified. Made for this and for nothing
 * else; the certificates last for a hundred years, but for DEVICE_YEAR, whose life is one of 390 days. */
#pragma once

#include "pq_folder.h"

#include "crypto/identity.h"

#define DEVICE_AUTHORITY                                                                                               \
    "-----BEGIN CERTIFICATE-----\n"                                                                                    \
    "MIIBNTCB3KADAgECAgEBMAoGCCqGSM49BAMCMBkxFzAVBgNVBAMMDlRlc3QgYXV0\n"                                               \
    "aG9yaXR5MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAyMDAwMDAwWjAZMRcwFQYD\n"                                               \
    "VQQDDA5UZXN0IGF1dGhvcml0eTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNJw\n"                                               \
    "zx5ulnHSSIiWqf9TE0xrMZpU3mBv03TB/4TIhKJlHw5giDFu2lgSnxttloLJNMFr\n"                                               \
    "BIlqK5COEatCZ544FXqjEzARMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID\n"                                               \
    "SAAwRQIhANiZYckQ6cLPBn12dbh/zQYubBjoCdMeHnCS6mCiy4puAiBa3MjzGv9D\n"                                               \
    "DrqEGe6+XikaBHpVwPDhnszEYLRhhTKLGQ==\n"                                                                           \
    "-----END CERTIFICATE-----\n"
#define DEVICE_EC_KEY                                                                                                  \
    "-----BEGIN PRIVATE KEY-----\n"                                                                                    \
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3aGZMauh4MKzAS8a\n"                                               \
    "Hcj6qjBG81Gw2m+Mq4aYQMKUvLihRANCAARcq0BRiYX2S7AY3jF1HlndUwHA4q5J\n"                                               \
    "9O305a40MYo/4zg73WRgaGWGLjooVZ1lDIL+iZZtaiKzLFohsydzx+hR\n"                                                       \
    "-----END PRIVATE KEY-----\n"
/* CN=dev-7, serial number 0x1234567890abcdef1234 */
#define DEVICE_EC                                                                                                      \
    "-----BEGIN CERTIFICATE-----\n"                                                                                    \
    "MIIBVzCB/qADAgECAgoSNFZ4kKvN7xI0MAoGCCqGSM49BAMCMBkxFzAVBgNVBAMM\n"                                               \
    "DlRlc3QgYXV0aG9yaXR5MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAyMDAwMDAw\n"                                               \
    "WjAQMQ4wDAYDVQQDDAVkZXYtNzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFyr\n"                                               \
    "QFGJhfZLsBjeMXUeWd1TAcDirkn07fTlrjQxij/jODvdZGBoZYYuOihVnWUMgv6J\n"                                               \
    "lm1qIrMsWiGzJ3PH6FGjNTAzMAwGA1UdEwEB/wQCMAAwDgYDVR0PAQH/BAQDAgeA\n"                                               \
    "MBMGA1UdJQQMMAoGCCsGAQUFBwMCMAoGCCqGSM49BAMCA0gAMEUCIQCh76Ec5R5a\n"                                               \
    "luBGWTIotvj0DKM3wmukOaP/2VqhFz9GjQIgX+mF4cTUfAo+z7x/AtirpRQ719Jj\n"                                               \
    "HbVCsiITS2Mvx48=\n"                                                                                               \
    "-----END CERTIFICATE-----\n"
#define DEVICE_RSA_KEY                                                                                                 \
    "-----BEGIN PRIVATE KEY-----\n"                                                                                    \
    "MIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQCnTEF+zKw9CKBK\n"                                               \
    "QxkV5onjT+T1paH93kBBlAkF7EH72gTIB2c/1gAAuaD/vsi2gFfIHAmBDpYx0aRr\n"                                               \
    "gED+nHPrDvLn9of34zMiedRYAbMwszfrvLRwczpBtQDXKfJNVmHkby1lxjTCn+2F\n"                                               \
    "TKzpPC3gp29mpzaNd/DtbieE46UvB4XINsr9cue7/pNfcWJb4u2pjeNnxauhwvXq\n"                                               \
    "vovgLg0P5a2K5HopPZ5RUBDz1jTA6XSW+XDFfKPK+IDjG+w4V7+NCv4iJwfUdvZB\n"                                               \
    "2UvHI1uDf7/ok3LG4m3adFtgSVtBOpk46IyTDtCKhZmSEuAp68nsGqZEeIRYdSLv\n"                                               \
    "oneZuBRRAgMBAAECggEAB7Vbl3PHbCLCjXdq34ulPvU8gs3OYW3ZGrhvI7/pgKjw\n"                                               \
    "k1Wlfg9OhdoHwz7rfT67xLV3geP920bqRzaEMCMd83bHbhUZudwU7CXOSR2Pb8sT\n"                                               \
    "NJxH2V5S0Ood0zwsXSBBv5J4llXYEp9nNJ8WQMMoRz+ZwkJqQOGV1x/OJ/ksAFca\n"                                               \
    "lDHz2EYvKHFWKEr6ueToNhrtspFVZk25bdlQYxRRYlBRz1ozbgQU64paRMDf2MQW\n"                                               \
    "qATZHjC9seVscnCCQ9aKySiAlu+Dovqz0BfQl6GXzmAHR1Xo5LXRloQXyHdzpY/h\n"                                               \
    "Sj6ofi8TCqKPqAMEB3bY/Nqu0CWXmz8z5zNaAdEUIQKBgQDfbqYyCQdebnIKj9B5\n"                                               \
    "cHFqQ0flnYQz1zObhn983AQUjOFighPYRNArEPeT4M+T/uKv7hJBfjZKTNgsoA66\n"                                               \
    "PZLM3e9NuiqV3uQIpHXTiBIHpeKcoPJ2DWfM8E+nM3G8vsRnxnHzRyu6iLojzU6d\n"                                               \
    "XW4feIM5rCz3RRFWX/zhEb0uIQKBgQC/rvWGwZVM0HtwJVemey1CRL+GejUtlByu\n"                                               \
    "3vYq4/PX/86fw9pv82vnNI9KuURIvKYJ+MSVhYCiBLMfiXUPvh39i4O17AXT/Q79\n"                                               \
    "jIyr6BeMUbrcPNSPVLLDQ2inWPxhr67B2qiY2qlkWuBGSulhEjhE83lFlIPCCFkR\n"                                               \
    "PnThxbpAMQKBgQCSNZAgEfR2gQOzkaS0szYkeV6lDUyjt+GXlo36oOcyo3YhxklC\n"                                               \
    "LtWiOPoqFOUBTbv9sGbV4MeaG2si2KKKkRxtX5XnYTnY1QCX/zbzc4mI467FHDVN\n"                                               \
    "tzwDygX1vh5hitxvpFaRAjPFXw+fugwFwkv74BrPNLJAJTxRL4MFrVwEwQKBgQCU\n"                                               \
    "Snl+OBMV6xAj8W++xvp7kw4MrkynpzcNfkY5ZkLGLwueA/ngtBQdOUdFytBt6SwW\n"                                               \
    "+NK0ziR2s2YUFtZuSGmRNja+LgtQNi07sFk/wP0+vBfwvErBXAg0EdlL5gbSWAS9\n"                                               \
    "yji2kCuODNQG7XthcqP/i9CdKMlJ+gVV1ti7talicQKBgQC/XU0mHnVpChXygGWp\n"                                               \
    "YicK8Maw1L6UhAsXyHWcIBiUSgeT/0d2izKBA/MEKBm6AaYu1EkJLUf03R7ie4Q6\n"                                               \
    "JOCre5QNetdQvr8GJYRmLxz5u1loSTBvnD16MkIAhLg5s3G7qhb2t8g9BwrrcGWN\n"                                               \
    "fcZ0/fh8xtRQnc55MfJnIhp0Bg==\n"                                                                                   \
    "-----END PRIVATE KEY-----\n"
/* CN=dev-8, serial number 4711 */
#define DEVICE_RSA                                                                                                     \
    "-----BEGIN CERTIFICATE-----\n"                                                                                    \
    "MIICGjCCAcGgAwIBAgICEmcwCgYIKoZIzj0EAwIwGTEXMBUGA1UEAwwOVGVzdCBh\n"                                               \
    "dXRob3JpdHkwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDIwMDAwMDBaMBAxDjAM\n"                                               \
    "BgNVBAMMBWRldi04MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAp0xB\n"                                               \
    "fsysPQigSkMZFeaJ40/k9aWh/d5AQZQJBexB+9oEyAdnP9YAALmg/77ItoBXyBwJ\n"                                               \
    "gQ6WMdGka4BA/pxz6w7y5/aH9+MzInnUWAGzMLM367y0cHM6QbUA1ynyTVZh5G8t\n"                                               \
    "ZcY0wp/thUys6Twt4KdvZqc2jXfw7W4nhOOlLweFyDbK/XLnu/6TX3FiW+LtqY3j\n"                                               \
    "Z8WrocL16r6L4C4ND+WtiuR6KT2eUVAQ89Y0wOl0lvlwxXyjyviA4xvsOFe/jQr+\n"                                               \
    "IicH1Hb2QdlLxyNbg3+/6JNyxuJt2nRbYElbQTqZOOiMkw7QioWZkhLgKevJ7Bqm\n"                                               \
    "RHiEWHUi76J3mbgUUQIDAQABozUwMzAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQE\n"                                               \
    "AwIHgDATBgNVHSUEDDAKBggrBgEFBQcDAjAKBggqhkjOPQQDAgNHADBEAiBUCrDf\n"                                               \
    "N5r3o8SvgKFYpytxpRi6B/RnJbABRnMgAsdLeAIgAIWBsUhHdCxEei7eHhwXx1Ad\n"                                               \
    "GXhl1HoK1PZBon842zU=\n"                                                                                           \
    "-----END CERTIFICATE-----\n"
/* CN=AWS IoT Certificate, for servers; the key is DEVICE_EC_KEY */
#define DEVICE_SPACED                                                                                                  \
    "-----BEGIN CERTIFICATE-----\n"                                                                                    \
    "MIIBXDCCAQOgAwIBAgIBAzAKBggqhkjOPQQDAjAZMRcwFQYDVQQDDA5UZXN0IGF1\n"                                               \
    "dGhvcml0eTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMjAwMDAwMFowHjEcMBoG\n"                                               \
    "A1UEAwwTQVdTIElvVCBDZXJ0aWZpY2F0ZTBZMBMGByqGSM49AgEGCCqGSM49AwEH\n"                                               \
    "A0IABFyrQFGJhfZLsBjeMXUeWd1TAcDirkn07fTlrjQxij/jODvdZGBoZYYuOihV\n"                                               \
    "nWUMgv6Jlm1qIrMsWiGzJ3PH6FGjNTAzMAwGA1UdEwEB/wQCMAAwDgYDVR0PAQH/\n"                                               \
    "BAQDAgUgMBMGA1UdJQQMMAoGCCsGAQUFBwMBMAoGCCqGSM49BAMCA0cAMEQCIFuW\n"                                               \
    "qTW+81QF4dWYjrbIcCMLqgDRltpF7Gk4At52NJFZAiBf+yk2po3mpXZKiZi8xDYJ\n"                                               \
    "1FyV4qz2z7WIZAsy5Q7/qA==\n"                                                                                       \
    "-----END CERTIFICATE-----\n"
/* no CN; the same key */
#define DEVICE_NAMELESS                                                                                                \
    "-----BEGIN CERTIFICATE-----\n"                                                                                    \
    "MIIBTzCB96ADAgECAgEEMAoGCCqGSM49BAMCMBkxFzAVBgNVBAMMDlRlc3QgYXV0\n"                                               \
    "aG9yaXR5MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAyMDAwMDAwWjASMRAwDgYD\n"                                               \
    "VQQKDAdFeGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXKtAUYmF9kuw\n"                                               \
    "GN4xdR5Z3VMBwOKuSfTt9OWuNDGKP+M4O91kYGhlhi46KFWdZQyC/omWbWoisyxa\n"                                               \
    "IbMnc8foUaM1MDMwDAYDVR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4AwEwYDVR0l\n"                                               \
    "BAwwCgYIKwYBBQUHAwIwCgYIKoZIzj0EAwIDRwAwRAIgFv/ZswjGT1yz74MvxAw2\n"                                               \
    "FlyDF419YsRP/Do6hPRLF58CIDh+nLj/nhcnTHS1Th/AXfF5uQgIcTj073Mz+yOy\n"                                               \
    "UfM1\n"                                                                                                           \
    "-----END CERTIFICATE-----\n"
/* CN=dev-7; the same key */
#define DEVICE_YEAR                                                                                                    \
    "-----BEGIN CERTIFICATE-----\n"                                                                                    \
    "MIIBTDCB86ADAgECAgEFMAoGCCqGSM49BAMCMBkxFzAVBgNVBAMMDlRlc3QgYXV0\n"                                               \
    "aG9yaXR5MB4XDTI2MDEwMTAwMDAwMFoXDTI3MDEyNjAwMDAwMFowEDEOMAwGA1UE\n"                                               \
    "AwwFZGV2LTcwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARcq0BRiYX2S7AY3jF1\n"                                               \
    "HlndUwHA4q5J9O305a40MYo/4zg73WRgaGWGLjooVZ1lDIL+iZZtaiKzLFohsydz\n"                                               \
    "x+hRozUwMzAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDATBgNVHSUEDDAK\n"                                               \
    "BggrBgEFBQcDAjAKBggqhkjOPQQDAgNIADBFAiEA09M8P4MUIDqed1Rie51XLT7h\n"                                               \
    "01NMzYzba/4KhprMLL4CIG3JgwlIFOAahYfL6BWSzXLIh1ZBl9KkhRPFNVvyaSNQ\n"                                               \
    "-----END CERTIFICATE-----\n"

/* Opens the two as files of the folder that the test has. */
static inline pq_identity *device_open(const char *folder, const char *certificate, const char *key)
{
    PQ_AUTO_ERROR err = {0};
    PQ_AUTO_FREE char *certificate_path = pq_path_join(folder, "client.pem");
    PQ_AUTO_FREE char *key_path = pq_path_join(folder, "pkey.pem");
    pq_identity *identity = NULL;
    const pq_identity_place place = {.certificate = certificate_path, .key = key_path};
    if (!pq_write_file(certificate_path, 0644, certificate, strlen(certificate), &err) ||
        !pq_write_file(key_path, 0600, key, strlen(key), &err) || !pq_identity_open(&place, &identity, &err))
        fail_msg("%s: %s", err.where, err.message);
    return identity;
}
