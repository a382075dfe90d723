//! Everyday names of several countries, for people who must not be taken for
//! somebody on the list.

use crate::random::Random;

/// Where a name is common: first names, last names.
type Country = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

#[rustfmt::skip]
const COUNTRIES: &[Country] = &[
    ("US",
     &["James", "Mary", "Robert", "Patricia", "John", "Jennifer", "Michael", "Linda", "David", "Elizabeth", "William", "Barbara", "Richard", "Susan", "Joseph", "Jessica", "Thomas", "Sarah", "Daniel", "Karen", "Matthew", "Emily", "Kevin", "Amanda"],
     &["Smith", "Johnson", "Williams", "Brown", "Jones", "Miller", "Davis", "Wilson", "Anderson", "Taylor", "Thomas", "Moore", "Martin", "Lee", "Thompson", "White", "Harris", "Clark", "Lewis", "Robinson", "Walker", "Young", "King", "Wright"]),
    ("MX",
     &["José", "María", "Juan", "Guadalupe", "Luis", "Carlos", "Jorge", "Ana", "Miguel", "Rosa", "Francisco", "Verónica", "Alejandro", "Leticia", "Jesús", "Adriana", "Pedro", "Gabriela", "Ricardo", "Alejandra"],
     &["Hernández", "García", "Martínez", "López", "González", "Pérez", "Rodríguez", "Sánchez", "Ramírez", "Cruz", "Flores", "Gómez", "Morales", "Vázquez", "Jiménez", "Reyes", "Díaz", "Torres", "Gutiérrez", "Ruiz"]),
    ("RU",
     &["Александр", "Елена", "Sergey", "Olga", "Vladimir", "Tatiana", "Andrey", "Natalia", "Алексей", "Irina", "Dmitry", "Svetlana", "Nikolay", "Anna", "Ivan", "Ekaterina", "Михаил", "Maria"],
     &["Ivanov", "Smirnov", "Кузнецов", "Popov", "Vasiliev", "Petrov", "Sokolov", "Mikhailov", "Новиков", "Fedorov", "Morozov", "Volkov", "Alekseev", "Lebedev", "Semenov", "Egorov", "Pavlov", "Kozlov"]),
    ("EG",
     &["Mohamed", "Ahmed", "Mahmoud", "Fatma", "Mostafa", "Aya", "Omar", "Mona", "Youssef", "Hanan", "Ibrahim", "Heba", "Khaled", "Amira", "Hassan", "Nour", "Tarek", "Salma", "محمد", "أحمد"],
     &["Ali", "Hassan", "Ibrahim", "Mahmoud", "El-Sayed", "Mostafa", "Abdel Rahman", "Salem", "Fathy", "Gaber", "Shawky", "Ramadan", "Khalil", "Mansour", "Saleh", "Farouk", "Soliman", "Amin", "Nasser", "Zaki"]),
    ("CN",
     &["Wei", "Fang", "Na", "Xiuying", "Min", "Jing", "Li", "Qiang", "Lei", "Jun", "Yang", "Yong", "Yan", "Jie", "Juan", "Tao", "Ming", "Chao", "Xiulan", "Xia", "Ping", "Gang", "Guiying"],
     &["Wang", "Li", "Zhang", "Liu", "Chen", "Yang", "Huang", "Zhao", "Wu", "Zhou", "Xu", "Sun", "Ma", "Zhu", "Hu", "Guo", "He", "Lin", "Gao", "Luo"]),
    ("IN",
     &["Rahul", "Priya", "Amit", "Pooja", "Sanjay", "Sunita", "Rajesh", "Anita", "Vijay", "Neha", "Suresh", "Kavita", "Arjun", "Deepa", "Imran", "Ayesha", "Ravi", "Lakshmi"],
     &["Sharma", "Kumar", "Singh", "Patel", "Gupta", "Khan", "Reddy", "Verma", "Iyer", "Das", "Joshi", "Nair", "Mehta", "Chauhan", "Yadav", "Mishra", "Shaikh", "Rao"]),
    ("DE",
     &["Thomas", "Ursula", "Michael", "Sabine", "Andreas", "Jürgen", "Stefan", "Petra", "Wolfgang", "Monika", "Klaus", "Birgit", "Matthias", "Anja", "Lukas", "Lena"],
     &["Müller", "Schmidt", "Schneider", "Fischer", "Weber", "Meyer", "Wagner", "Becker", "Schulz", "Hoffmann", "Schäfer", "Koch", "Bauer", "Richter", "Klein", "Wolf", "Schröder", "Neumann"]),
    ("NG",
     &["Chinedu", "Ngozi", "Emeka", "Amina", "Musa", "Fatima", "Tunde", "Aisha", "Ibrahim", "Grace", "Samuel", "Blessing", "Abubakar", "Chioma", "Yusuf", "Esther"],
     &["Okafor", "Adeyemi", "Mohammed", "Okonkwo", "Abubakar", "Eze", "Balogun", "Ibrahim", "Nwosu", "Bello", "Adebayo", "Musa", "Obi", "Sani", "Ogunleye", "Usman"]),
    ("BR",
     &["João", "Ana", "Antônio", "Francisca", "Carlos", "Adriana", "Paulo", "Juliana", "Lucas", "Márcia", "Marcos", "Fernanda", "Rafael", "Patrícia", "Bruno", "Camila"],
     &["Silva", "Santos", "Oliveira", "Souza", "Lima", "Pereira", "Ferreira", "Costa", "Rodrigues", "Almeida", "Nascimento", "Alves", "Carvalho", "Araújo", "Ribeiro", "Gomes"]),
    ("PH",
     &["Maria", "Jose", "Mark", "Angelica", "John", "Mary", "Jerome", "Kristine", "Christian", "Jasmine", "Ramon", "Rosario", "Antonio", "Carmela"],
     &["Santos", "Reyes", "Cruz", "Bautista", "Ocampo", "Garcia", "Mendoza", "Torres", "Castillo", "Flores", "Villanueva", "Ramos", "Aquino", "Navarro"]),
];

/// A person: the name and the country's code.
pub fn person(random: &mut Random) -> (String, &'static str) {
    let (country, first, last) = random.of(COUNTRIES);
    let surname = random.of(last);
    let name = match (country, random.below(4)) {
        ("MX" | "PH" | "BR", 0..2) => format!("{} {surname} {}", random.of(first), random.of(last)),
        ("US" | "EG", 0) => format!("{} {} {surname}", random.of(first), random.of(first)),
        _ => format!("{} {surname}", random.of(first)),
    };
    (name, country)
}
